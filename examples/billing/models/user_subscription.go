package models

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// UserSubscription is a row of public.subscriptions.
type UserSubscription struct {
	bun.BaseModel `bun:"table:subscriptions,alias:us"`

	ID                 string              `bun:"id,pk"`
	UserID             uuid.UUID           `bun:"user_id" usergraph:"owner"`
	Status             *SubscriptionStatus `bun:"status"`
	Metadata           json.RawMessage     `bun:"metadata"`
	PriceID            *string             `bun:"price_id"`
	Quantity           *int32              `bun:"quantity"`
	CancelAtPeriodEnd  *bool               `bun:"cancel_at_period_end"`
	Created            time.Time           `bun:"created"`
	CurrentPeriodStart time.Time           `bun:"current_period_start"`
}

// UserSubscriptionFilter is the input of that name.
type UserSubscriptionFilter struct {
	PriceID *rows.IDFilter       `bun:"price_id"`
	Created *rows.DateTimeFilter `bun:"created"`
}

// The other GraphQL types of user subscriptions.
type (
	UserSubscriptionConnection = rows.Connection[UserSubscription]
	UserSubscriptionEdge       = rows.Edge[UserSubscription]
	UserSubscriptionOrder      = rows.Order
	SubscriptionStatus         = rows.Enum
	SubscriptionStatusFilter   = rows.EnumFilter
)

// UserSubscriptionByID reads a user subscription of an owner. It returns nil without an error if there is none.
func UserSubscriptionByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*UserSubscription, error) {
	return rows.One[UserSubscription](ctx, db.NewSelect().Where("us.user_id = ?", owner), id)
}

// UserSubscriptionsOf reads a page of an owner's user subscriptions.
func UserSubscriptionsOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page, filter *UserSubscriptionFilter) (*UserSubscriptionConnection, error) {
	return rows.Paginate[UserSubscription](ctx, db.NewSelect().Where("us.user_id = ?", owner), page, filter)
}

// PricesOfUserSubscriptions reads the price of each of the user subscriptions: nil where there is none.
func PricesOfUserSubscriptions(ctx context.Context, db bun.IDB, userSubscriptions []*UserSubscription) ([]*Price, error) {
	return rows.BelongsTo[Price](ctx, db.NewSelect(), userSubscriptions, "price_id")
}

// UserSubscriptionsOfPrices reads a page of an owner's user subscriptions for each of the prices.
func UserSubscriptionsOfPrices(ctx context.Context, db bun.IDB, owner uuid.UUID, prices []*Price, page rows.Page, filter *UserSubscriptionFilter) ([]*UserSubscriptionConnection, error) {
	return rows.HasMany[UserSubscription](ctx, db.NewSelect().Where("us.user_id = ?", owner), prices, page, filter, "price_id")
}

// UserSubscriptionsOfUsers reads a page of an owner's user subscriptions for each of the users.
func UserSubscriptionsOfUsers(ctx context.Context, db bun.IDB, owner uuid.UUID, users []*User, page rows.Page, filter *UserSubscriptionFilter) ([]*UserSubscriptionConnection, error) {
	return rows.HasMany[UserSubscription](ctx, db.NewSelect().Where("us.user_id = ?", owner), users, page, filter, "user_id")
}

// SubscriptionOfUsers reads the newest user subscription of each of the users: nil where the owner has none.
func SubscriptionOfUsers(ctx context.Context, db bun.IDB, owner uuid.UUID, users []*User) ([]*UserSubscription, error) {
	return rows.HasOne[UserSubscription](ctx, db.NewSelect().Where("us.user_id = ?", owner), users, "CREATED_DESC", "user_id")
}
