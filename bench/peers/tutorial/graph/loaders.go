package graph

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/vikstrous/dataloadgen"

	"tutorial/models"
)

// Loaders read what many objects of a request reference by one statement: https://gqlgen.com/reference/dataloaders/.
type Loaders struct {
	projects      *dataloadgen.Loader[int64, *models.Project]
	subscriptions *dataloadgen.Loader[owner[uuid.UUID], *models.UserSubscriptionConnection]
	prices        *dataloadgen.Loader[string, *models.Price]
	products      *dataloadgen.Loader[string, *models.Product]
	pricesOf      *dataloadgen.Loader[owner[string], *models.PriceConnection]
}

// owner is whose list is asked for, and how much of it.
type owner[K comparable] struct {
	id    K
	first int
}

type loadersKey struct{}

// WithLoaders gives each request loaders of its own. It goes inside of Middleware.
func WithLoaders(db *bun.DB, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := UserIDFrom(r.Context())
		wait := dataloadgen.WithWait(time.Millisecond)
		loaders := &Loaders{
			projects: dataloadgen.NewMappedLoader(func(ctx context.Context, ids []int64) (map[int64]*models.Project, error) {
				var found []*models.Project
				err := db.NewSelect().Model(&found).Where("user_id = ?", user).Where("id IN (?)", bun.In(ids)).Scan(ctx)
				return byKey(found, func(p *models.Project) int64 { return p.ID }), err
			}, wait),
			prices: dataloadgen.NewMappedLoader(func(ctx context.Context, ids []string) (map[string]*models.Price, error) {
				var found []*models.Price
				err := db.NewSelect().Model(&found).Where("id IN (?)", bun.In(ids)).Scan(ctx)
				return byKey(found, func(p *models.Price) string { return p.ID }), err
			}, wait),
			products: dataloadgen.NewMappedLoader(func(ctx context.Context, ids []string) (map[string]*models.Product, error) {
				var found []*models.Product
				err := db.NewSelect().Model(&found).Where("id IN (?)", bun.In(ids)).Scan(ctx)
				return byKey(found, func(p *models.Product) string { return p.ID }), err
			}, wait),
			subscriptions: dataloadgen.NewMappedLoader(func(ctx context.Context, owners []owner[uuid.UUID]) (map[owner[uuid.UUID]]*models.UserSubscriptionConnection, error) {
				first := owners[0].first
				pages := map[owner[uuid.UUID]]*models.UserSubscriptionConnection{}
				for _, o := range owners {
					pages[o] = new(models.UserSubscriptionConnection)
				}
				var found []*models.UserSubscription
				err := db.NewSelect().Model(&found).
					ModelTableExpr("unnest(ARRAY[?]::uuid[]) AS keys(id) CROSS JOIN LATERAL (?) AS s", bun.In(idsOf(owners)),
						db.NewSelect().Table("subscriptions").Where("user_id = keys.id").Order("id").Limit(int64(first))).Scan(ctx)
				for _, s := range found {
					page := pages[owner[uuid.UUID]{s.UserID, first}]
					page.Nodes = append(page.Nodes, s)
				}
				return pages, err
			}, wait),
			pricesOf: dataloadgen.NewMappedLoader(func(ctx context.Context, owners []owner[string]) (map[owner[string]]*models.PriceConnection, error) {
				first := owners[0].first
				pages := map[owner[string]]*models.PriceConnection{}
				for _, o := range owners {
					pages[o] = new(models.PriceConnection)
				}
				var found []*models.Price
				err := db.NewSelect().Model(&found).
					ModelTableExpr("unnest(ARRAY[?]::text[]) AS keys(id) CROSS JOIN LATERAL (?) AS pr", bun.In(idsOf(owners)),
						db.NewSelect().Table("prices").Where("product_id = keys.id").Order("id").Limit(int64(first))).Scan(ctx)
				for _, p := range found {
					page := pages[owner[string]{*p.ProductID, first}]
					page.Nodes = append(page.Nodes, p)
				}
				return pages, err
			}, wait),
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loadersKey{}, loaders)))
	})
}

func loadersFrom(ctx context.Context) *Loaders { return ctx.Value(loadersKey{}).(*Loaders) }

func byKey[K comparable, T any](rows []*T, key func(*T) K) map[K]*T {
	all := make(map[K]*T, len(rows))
	for _, row := range rows {
		all[key(row)] = row
	}
	return all
}

func idsOf[K comparable](owners []owner[K]) []K {
	ids := make([]K, len(owners))
	for i, o := range owners {
		ids[i] = o.id
	}
	return ids
}
