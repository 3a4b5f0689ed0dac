// Package validate tests the files around the server: deployment, release and continuous integration.
package validate
