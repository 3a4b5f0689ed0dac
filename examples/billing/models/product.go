package models

import (
	"context"
	"encoding/json"

	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Product is a row of public.products.
type Product struct {
	bun.BaseModel `bun:"table:products,alias:p"`

	ID          string          `bun:"id,pk"`
	Active      *bool           `bun:"active"`
	Name        *string         `bun:"name"`
	Description *string         `bun:"description"`
	Image       *string         `bun:"image"`
	Metadata    json.RawMessage `bun:"metadata"`
}

// The other GraphQL types of products.
type (
	ProductConnection = rows.Connection[Product]
	ProductEdge       = rows.Edge[Product]
	ProductOrder      = rows.Order
)

// ProductByID reads a product. It returns nil without an error if there is none.
func ProductByID(ctx context.Context, db bun.IDB, id rows.ID) (*Product, error) {
	return rows.One[Product](ctx, db.NewSelect(), id)
}

// Products reads a page of products.
func Products(ctx context.Context, db bun.IDB, page rows.Page) (*ProductConnection, error) {
	return rows.Paginate[Product](ctx, db.NewSelect(), page, nil)
}
