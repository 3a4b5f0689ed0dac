// Command static is floor A: what net/http costs without doing anything. It verifies nothing and reads nothing.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	answer := []byte(os.Getenv("ANSWER"))
	http.HandleFunc("GET /me", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
