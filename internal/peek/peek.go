// Package peek answers one question: has the other side of a connection said something?
package peek
