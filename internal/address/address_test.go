package address

import "testing"

func TestKey(t *testing.T) {
	for remoteAddr, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::",
		"[2001:db8:1:2::]:0": "2001:db8:1:2::", "[2001:db8:1:3::1]:1": "2001:db8:1:3::",
		"[fe80::1%eth0]:1": "fe80::", "[fe80::2%eth1]:1": "fe80::", "@": "@", "": "",
	} {
		if got := Key(remoteAddr); got != want {
			t.Errorf("%s: %s, want %s", remoteAddr, got, want)
		}
	}
}
