// Package validate answers one question: are the files around the server right, those of deployment, release and
// continuous integration?
package validate
