package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// dist holds the page's files as `npm run build` in app writes them, compressed by gzip. Every browser accepts gzip,
// and the standard library decompresses it for other clients.
//
//go:embed all:dist
var dist embed.FS

// licences is the file with the licences of the bundled packages.
const licences = "playground/licenses.md"

// contentTypes are the types of all files. The system's table of extensions is not used.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".json": "application/json",
	".ttf":  "font/ttf",
	".md":   "text/plain; charset=utf-8",
}

// file is a file to serve.
type file struct {
	name       string
	compressed []byte
	hash       string
}

func newFile(name string, compressed []byte) file {
	sum := sha256.Sum256(compressed)
	return file{name, compressed, hex.EncodeToString(sum[:16])}
}

// embedded lists the files of dist. It panics if dist is not the result of its build, which a test would have found.
func embedded() []file {
	var files []file
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		compressed, err := dist.ReadFile(name)
		files = append(files, newFile(strings.TrimSuffix(strings.TrimPrefix(name, "dist/"), ".gz"), compressed))
		return err
	})
	if err != nil {
		panic(err)
	}
	return files
}

func (f file) handler(cacheControl string) http.Handler {
	contentType := contentTypes[path.Ext(f.name)]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, etag := f.compressed, f.hash+"-gzip"
		header := w.Header()
		header.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			header.Set("Content-Encoding", "gzip")
		} else {
			content, etag = decompress(f.compressed), f.hash
		}
		header.Set("Content-Type", contentType)
		header.Set("Content-Length", strconv.Itoa(len(content)))
		header.Set("Cache-Control", cacheControl)
		header.Set("ETag", `"`+etag+`"`)
		http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(content))
	})
}

// acceptsGzip parses Accept-Encoding (RFC 9110, 12.5.3). A client that accepts gzip only by * gets the file
// uncompressed.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		quality, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		return err != nil || quality > 0
	}
	return false
}

func compress(content []byte) []byte {
	var buffer bytes.Buffer
	// Writing to memory does not fail.
	writer := gzip.NewWriter(&buffer)
	_, _ = writer.Write(content)
	_ = writer.Close()
	return buffer.Bytes()
}

// decompress panics if content is not gzip: it comes from dist or compress.
func decompress(compressed []byte) []byte {
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		panic(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		panic(err)
	}
	return content
}
