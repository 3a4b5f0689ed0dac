package graph

import (
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"usergraph/endpoint"
	"usergraph/graph/generated"
	"usergraph/models"
)

// checkName wants a text on one line that shows something. The rule is that of the table's constraint; this says what to
// do about it.
func checkName(field string, name *string) error {
	if name == nil || models.IsDisplayName(*name) {
		return nil
	}
	if length := utf8.RuneCountInString(*name); length > models.MaxNameLength {
		return endpoint.Errorf(endpoint.CodeBadUserInput, "%s has %d characters, at most %d are allowed", field, length, models.MaxNameLength)
	}
	if strings.TrimSpace(*name) == "" {
		return endpoint.Errorf(endpoint.CodeBadUserInput, "%s is empty; send null to clear it", field)
	}
	return endpoint.Errorf(endpoint.CodeBadUserInput, "%s has a line break or another control character, or no character that shows", field)
}

// checkURL wants an address that a browser may load a picture from, and nothing that it would run.
func checkURL(field string, address *string) error {
	if address == nil || models.IsWebURL(*address) {
		return nil
	}
	if length := utf8.RuneCountInString(*address); length > models.MaxURLLength {
		return endpoint.Errorf(endpoint.CodeBadUserInput, "%s has %d characters, at most %d are allowed", field, length, models.MaxURLLength)
	}
	return endpoint.Errorf(endpoint.CodeBadUserInput, "%s is not an http or https URL with a name or an IPv4 address for a host", field)
}

// changes checks an input and turns it into a row and the names of the columns to write.
func changes(id uuid.UUID, input generated.UpdateMeInput) (user *models.User, columns []string, err error) {
	user = &models.User{ID: id}
	if name, given := input.FullName.ValueOK(); given {
		if err := checkName("fullName", name); err != nil {
			return nil, nil, err
		}
		user.FullName, columns = name, append(columns, "full_name")
	}
	if address, given := input.AvatarURL.ValueOK(); given {
		if err := checkURL("avatarUrl", address); err != nil {
			return nil, nil, err
		}
		user.AvatarURL, columns = address, append(columns, "avatar_url")
	}
	return user, columns, nil
}
