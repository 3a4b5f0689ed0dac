package database

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"
)

// Announcement is a table whose changes reach subscribers.
type Announcement struct {
	Schema, Table string
	// Keys are the columns of the primary key, in the order of the model's fields.
	Keys []string
	// Owner is the column with the owner's id, or "".
	Owner string
}

// Announcements returns what has to be announced so that these bun models can be watched, sorted by table. A model's
// keys have bun's tag pk, its owner has the tag `usergraph:"owner"`. Several models may have the same table, if they
// agree on both.
func Announcements(models []reflect.Type) ([]Announcement, error) {
	tables := pgdialect.New().Tables()
	byTable := map[string]Announcement{}
	for _, model := range models {
		a, err := announcementOf(tables.Get(model))
		if err != nil {
			return nil, err
		}
		name := tableName(a.Schema, a.Table)
		if other, known := byTable[name]; known && (a.Owner != other.Owner || !slices.Equal(a.Keys, other.Keys)) {
			return nil, fmt.Errorf("%s: another model of %s has another key or owner: give both the same tags", model, name)
		}
		byTable[name] = a
	}
	var all []Announcement
	for _, a := range byTable {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Announcement) int {
		return cmp.Compare(tableName(a.Schema, a.Table), tableName(b.Schema, b.Table))
	})
	return all, nil
}

func announcementOf(table *schema.Table) (Announcement, error) {
	a := Announcement{Schema: table.Schema, Table: unqualified(table)}
	if len(table.PKs) == 0 {
		return a, errNoKey(table)
	}
	for _, key := range table.PKs {
		a.Keys = append(a.Keys, key.Name)
	}
	owner, err := ownerOf(table)
	if owner != nil {
		a.Owner = owner.Name
	}
	return a, err
}

func errNoKey(table *schema.Table) error {
	return fmt.Errorf("%s has no key: give the fields of its key the tag `bun:\",pk\"`", table.Type)
}

// ownerOf returns the field with the tag `usergraph:"owner"`, or nil.
func ownerOf(table *schema.Table) (owner *schema.Field, err error) {
	for _, field := range table.Fields {
		if field.StructField.Tag.Get("usergraph") != "owner" {
			continue
		}
		if owner != nil {
			return nil, fmt.Errorf("%s has two owners, %s and %s: a row has one", table.Type, owner.GoName, field.GoName)
		}
		owner = field
	}
	return owner, nil
}

// unqualified returns a table's name without its schema: bun keeps both in one name.
func unqualified(table *schema.Table) string {
	return table.Name[strings.LastIndexByte(table.Name, '.')+1:]
}

// tableName returns the name of a table as announcements have it.
func tableName(schema, table string) string { return schema + "." + table }

// SQL returns the statement that lets the table's changes be announced. It calls a function of the engine's SQL; a
// second run changes nothing. A table that does not exist, or is a view, is an error of PostgreSQL.
func (a Announcement) SQL() string {
	owner := "null"
	if a.Owner != "" {
		owner = quoteLiteral(a.Owner)
	}
	keys := make([]string, len(a.Keys))
	for i, key := range a.Keys {
		keys[i] = quoteLiteral(key)
	}
	return fmt.Sprintf("select usergraph.announce_changes(%s::regclass, %s, %s)",
		quoteLiteral(pgx.Identifier{a.Schema, a.Table}.Sanitize()), owner, strings.Join(keys, ", "))
}

// IsInstalled reports whether SQL would change nothing: the table and its partitions have the triggers, for this key and
// owner, and none is disabled.
func (a Announcement) IsInstalled(ctx context.Context, tx pgx.Tx) (installed bool, err error) {
	arguments := []byte(strings.Join(append(slices.Clone(a.Keys), a.Owner), "\x00") + "\x00")
	err = tx.QueryRow(ctx, `select to_regclass($1) is not null and not exists (
		select from (select to_regclass($1) union select relid from pg_partition_tree(to_regclass($1))) member (relid)
		where 4 > (select count(*) from pg_trigger g join pg_proc p on p.oid = tgfoid
			where tgrelid = relid and tgname like 'usergraph\_announce\_%' and tgenabled in ('O', 'A') and tgargs = $2 and pronamespace = to_regnamespace('usergraph')))`,
		pgx.Identifier{a.Schema, a.Table}.Sanitize(), arguments).Scan(&installed)
	return installed, err
}

// String says what SQL does.
func (a Announcement) String() string {
	text := fmt.Sprintf("announce changes of %s: key %s", tableName(a.Schema, a.Table), strings.Join(a.Keys, ", "))
	if a.Owner != "" {
		text += ", owner " + a.Owner
	}
	return text
}

// quoteLiteral returns a text as a literal of SQL, whatever standard_conforming_strings is.
func quoteLiteral(text string) string {
	literal := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(literal, `\`, `\\`)
	}
	return literal
}
