package app

import "errors"

// removed are settings of earlier versions, with their replacements. The server refuses to start with one: without it
// the server would not do what its configuration says.
var removed = []struct{ name, instead string }{
	{"SUPABASE_OTHER_PROJECTS", "is no setting any more: an administrator of the other project could give a user there the id of a user here, and read their rows. " +
		"Take it out and run one server for each project; further names of the same project, such as a custom domain, belong into SUPABASE_JWT_ISSUER"},
}

func checkRemoved(getenv func(string) string) (problems []error) {
	for _, setting := range removed {
		if getenv(setting.name) != "" {
			problems = append(problems, errors.New(setting.name+" "+setting.instead))
		}
	}
	return problems
}
