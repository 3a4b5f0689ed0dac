package pgtest

import (
	"embed"
	"io/fs"
	"reflect"

	"usergraph/database"
	"usergraph/internal/testapi/models"
)

// Migrations create the tables of the engine's own tests.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Seed inserts four users: Ada, Bob, one without a name, and an anonymous one.
//
//go:embed seed.sql
var Seed string

// watched are the tables that subscriptions of the engine's own tests watch.
var watched = announcementsOf(reflect.TypeFor[models.User](), reflect.TypeFor[models.Project](), reflect.TypeFor[models.Todo](),
	reflect.TypeFor[models.Label](), reflect.TypeFor[models.TodoLabel]())

func announcementsOf(types ...reflect.Type) []database.Announcement {
	all, err := database.Announcements(types)
	if err != nil {
		panic(err) // they have keys
	}
	return all
}

// Migration is what the database of the engine's own tests needs.
func Migration(url string) database.Migration { return migration(url, Migrations, watched) }

func migration(url string, files fs.FS, watched []database.Announcement) database.Migration {
	return database.Migration{URL: url, Files: files, Watched: watched}
}
