package access

import (
	"fmt"
	"regexp"
	"strings"

	"usergraph/internal/catalog"
)

// An agent that a user has let in has a token of the user's with a claim of its own, client_id.
// https://supabase.com/docs/guides/auth/oauth-server/token-security

// notAnAgent is the condition of policies that stop agents, and notAnAgentPrinted matches it as PostgreSQL prints it.
const notAnAgent = "(select auth.jwt()) ->> 'client_id' is null"

var notAnAgentPrinted = regexp.MustCompile(`^\(*\s*SELECT auth\.jwt\(\)(?: AS \w+)?\) ->> 'client_id'::text\)+ IS NULL\)+$`)

// stopsAgents reports whether a policy says no more than that agents may not.
func stopsAgents(policy catalog.Policy) bool {
	matches := func(expression string) bool { return expression == "" || notAnAgentPrinted.MatchString(expression) }
	return !policy.Permissive && matches(policy.Using) && matches(policy.Check)
}

// AgentsMay reports whether agents may do what their users may.
func AgentsMay(table *catalog.Table, command string) bool {
	for _, policy := range table.Policies {
		if applies(policy, command, catalog.Authenticated) && stopsAgents(policy) {
			return false
		}
	}
	return true
}

// AgentsReadOnly returns restrictive policies after which agents may only read, "" if they may not write now.
func AgentsReadOnly(table *catalog.Table) string {
	var all []string
	for _, command := range []string{"insert", "update", "delete"} {
		if !table.May(catalog.Authenticated, command) || of(table, command).Who == Nobody || !AgentsMay(table, command) {
			continue
		}
		clauses := map[string]string{
			"insert": "with check (" + notAnAgent + ")",
			"update": "using (" + notAnAgent + ") with check (" + notAnAgent + ")",
			"delete": "using (" + notAnAgent + ")",
		}
		all = append(all, fmt.Sprintf("create policy \"agents only read: no %s\" on %s as restrictive for %[1]s to authenticated\n    %[3]s;", command, table.SQL(), clauses[command]))
	}
	return strings.Join(all, "\n")
}
