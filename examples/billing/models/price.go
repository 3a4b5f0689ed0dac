package models

import (
	"context"
	"encoding/json"

	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Price is a row of public.prices.
type Price struct {
	bun.BaseModel `bun:"table:prices,alias:p"`

	ID              string               `bun:"id,pk"`
	ProductID       *string              `bun:"product_id"`
	Active          *bool                `bun:"active"`
	Description     *string              `bun:"description"`
	UnitAmount      *int64               `bun:"unit_amount"`
	Currency        *string              `bun:"currency"`
	Type            *PricingType         `bun:"type"`
	Interval        *PricingPlanInterval `bun:"interval"`
	IntervalCount   *int32               `bun:"interval_count"`
	TrialPeriodDays *int32               `bun:"trial_period_days"`
	Metadata        json.RawMessage      `bun:"metadata"`
}

// PriceFilter is the input of that name.
type PriceFilter struct {
	ProductID *rows.IDFilter `bun:"product_id"`
}

// The other GraphQL types of prices.
type (
	PriceConnection           = rows.Connection[Price]
	PriceEdge                 = rows.Edge[Price]
	PriceOrder                = rows.Order
	PricingType               = rows.Enum
	PricingTypeFilter         = rows.EnumFilter
	PricingPlanInterval       = rows.Enum
	PricingPlanIntervalFilter = rows.EnumFilter
)

// PriceByID reads a price. It returns nil without an error if there is none.
func PriceByID(ctx context.Context, db bun.IDB, id rows.ID) (*Price, error) {
	return rows.One[Price](ctx, db.NewSelect(), id)
}

// Prices reads a page of prices.
func Prices(ctx context.Context, db bun.IDB, page rows.Page, filter *PriceFilter) (*PriceConnection, error) {
	return rows.Paginate[Price](ctx, db.NewSelect(), page, filter)
}

// ProductsOfPrices reads the product of each of the prices: nil where there is none.
func ProductsOfPrices(ctx context.Context, db bun.IDB, prices []*Price) ([]*Product, error) {
	return rows.BelongsTo[Product](ctx, db.NewSelect(), prices, "product_id")
}

// PricesOfProducts reads a page of prices for each of the products.
func PricesOfProducts(ctx context.Context, db bun.IDB, products []*Product, page rows.Page, filter *PriceFilter) ([]*PriceConnection, error) {
	return rows.HasMany[Price](ctx, db.NewSelect(), products, page, filter, "product_id")
}
