package shapes_test

import (
	"testing"

	"usergraph/internal/rowjson/rowfuzz"
	"usergraph/internal/rowjson/rowfuzz/shapes"
)

func TestShapes(t *testing.T) { rowfuzz.Run(t, shapes.New(), []string{"Mark"}, 3000) }
