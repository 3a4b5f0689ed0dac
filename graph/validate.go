package graph

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"usergraph/models"
)

// The longest values that an input takes, in characters. schema.graphqls promises them.
const (
	maxNameLength = 200
	maxURLLength  = 2048
)

// checkName wants a text that shows something.
func checkName(field string, name *string) error {
	if name == nil {
		return nil
	}
	if length := utf8.RuneCountInString(*name); length > maxNameLength {
		return badInput("%s has %d characters, at most %d are allowed", field, length, maxNameLength)
	}
	if strings.TrimSpace(*name) == "" {
		return badInput("%s is empty; send null to clear it", field)
	}
	if strings.ContainsRune(*name, 0) {
		return badInput("%s contains a NUL character", field)
	}
	return nil
}

// checkURL wants an address that a browser may load a picture from, and nothing that it would run.
func checkURL(field string, address *string) error {
	if address == nil {
		return nil
	}
	if length := utf8.RuneCountInString(*address); length > maxURLLength {
		return badInput("%s has %d characters, at most %d are allowed", field, length, maxURLLength)
	}
	parsed, err := url.Parse(*address)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "https" && parsed.Scheme != "http") {
		return badInput("%s is not an http or https URL", field)
	}
	return nil
}

// changes checks an input and turns it into a row and the names of the columns to write.
func (i UpdateMeInput) changes(id uuid.UUID) (user *models.User, columns []string, err error) {
	user = &models.User{ID: id}
	if name, given := i.FullName.ValueOK(); given {
		if err := checkName("fullName", name); err != nil {
			return nil, nil, err
		}
		user.FullName, columns = name, append(columns, "full_name")
	}
	if address, given := i.AvatarURL.ValueOK(); given {
		if err := checkURL("avatarUrl", address); err != nil {
			return nil, nil, err
		}
		user.AvatarURL, columns = address, append(columns, "avatar_url")
	}
	return user, columns, nil
}
