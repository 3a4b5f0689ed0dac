package graph

import (
	"github.com/google/uuid"

	"usergraph/endpoint"
	"usergraph/graph/generated"
	"usergraph/models"
)

// changes checks an input and returns the row and the names of the columns to write.
func changes(id uuid.UUID, input generated.UpdateMeInput) (user *models.User, columns []string, err error) {
	user = &models.User{ID: id}
	if name, given := input.FullName.ValueOK(); given {
		if err := check("fullName", name, models.CheckName); err != nil {
			return nil, nil, err
		}
		user.FullName, columns = name, append(columns, "full_name")
	}
	if address, given := input.AvatarURL.ValueOK(); given {
		if err := check("avatarUrl", address, models.CheckAvatarURL); err != nil {
			return nil, nil, err
		}
		user.AvatarURL, columns = address, append(columns, "avatar_url")
	}
	return user, columns, nil
}

// check returns an error for the client if a non-null text breaks a rule.
func check(field string, text *string, rule func(string) error) error {
	if text == nil {
		return nil
	}
	if err := rule(*text); err != nil {
		return endpoint.Errorf(endpoint.CodeBadUserInput, "%s %s", field, err)
	}
	return nil
}
