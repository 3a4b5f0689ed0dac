package testapi

import (
	"strings"

	"github.com/google/uuid"

	"usergraph/endpoint"
	"usergraph/internal/testapi/generated"
	"usergraph/internal/testapi/models"
)

// changes checks an input and turns it into a row and the names of the columns to write.
func changes(id uuid.UUID, input generated.UpdateMeInput) (user *models.User, columns []string, err error) {
	user = &models.User{ID: id}
	if name, given := input.FullName.ValueOK(); given {
		if name != nil && (strings.TrimSpace(*name) == "" || len(*name) > 200) {
			return nil, nil, endpoint.Errorf(endpoint.CodeBadUserInput, "fullName has 1 to 200 characters")
		}
		user.FullName, columns = name, append(columns, "full_name")
	}
	if address, given := input.AvatarURL.ValueOK(); given {
		user.AvatarURL, columns = address, append(columns, "avatar_url")
	}
	return user, columns, nil
}
