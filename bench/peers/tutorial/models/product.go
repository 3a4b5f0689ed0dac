package models

import (
	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// UserSubscription is a row of public.subscriptions.
type UserSubscription struct {
	bun.BaseModel `bun:"table:subscriptions,alias:s"`

	ID      string    `bun:"id,pk"`
	UserID  uuid.UUID `bun:"user_id,type:uuid"`
	Status  *string   `bun:"status"`
	PriceID *string   `bun:"price_id"`
}

// UserSubscriptionConnection is a page of subscriptions.
type UserSubscriptionConnection struct{ Nodes []*UserSubscription }

// Price is a row of public.prices.
type Price struct {
	bun.BaseModel `bun:"table:prices,alias:pr"`

	ID         string  `bun:"id,pk"`
	ProductID  *string `bun:"product_id"`
	UnitAmount *int64  `bun:"unit_amount"`
	Currency   *string `bun:"currency"`
}

// PriceConnection is a page of prices.
type PriceConnection struct{ Nodes []*Price }

// Product is a row of public.products.
type Product struct {
	bun.BaseModel `bun:"table:products,alias:pd"`

	ID   string  `bun:"id,pk"`
	Name *string `bun:"name"`
}

// ProductConnection is a page of products.
type ProductConnection struct{ Nodes []*Product }
