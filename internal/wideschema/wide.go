// Package wideschema is a schema that has every kind of input, for tests that compare the server with graphql-js. Its
// fields answer with the arguments that they were given.
package wideschema

//go:generate go tool gqlgen generate

// Node has fields with arguments, at any depth.
type Node struct{}

// IsNamed says that a Node is a Named.
func (Node) IsNamed() {}

// IsThing says that a Node is a Thing.
func (Node) IsThing() {}

// Leaf is what else a Named and a Thing can be.
type Leaf struct{}

// IsNamed says that a Leaf is a Named.
func (Leaf) IsNamed() {}

// IsThing says that a Leaf is a Thing.
func (Leaf) IsThing() {}
