-- usergraph.session_is_live() reports whether the session that the caller's token names goes on. An access token outlives
-- the session by up to an hour: signing out, a ban or deletion end the session at once, the token only when it expires.
-- A token of level 2 also ends with its factor: Supabase Auth lowers the session then, and keeps it.
--
-- security definer: callers may not read the schema auth. The function takes no argument, so nobody can ask about another
-- session than their own. search_path is pinned, so that no other schema can slip in a table of the same name.
-- plpgsql keeps the plan of its query for the next call on the same connection, which a function in SQL does not.
create function usergraph.session_is_live() returns boolean
    language plpgsql
    stable
    security definer
    set search_path = ''
as $$
declare
    claims jsonb := auth.jwt();
begin
    return exists (
        select from auth.sessions s
        join auth.users u on u.id = s.user_id
        where s.id = (claims ->> 'session_id')::uuid
          and s.user_id = (claims ->> 'sub')::uuid
          and (s.not_after is null or s.not_after > now())
          and (u.banned_until is null or u.banned_until <= now())
          and u.deleted_at is null
          and (
              claims ->> 'aal' is distinct from 'aal2'
              or s.aal = 'aal2' and exists (
                  select from auth.mfa_factors f
                  where f.id = s.factor_id and f.user_id = s.user_id and f.status = 'verified'
              )
          )
    );
end;
$$;

comment on function usergraph.session_is_live() is 'Whether the session of the caller''s token has neither ended nor expired, the user is neither banned nor deleted, and a token of level 2 still has its factor.';

revoke all on function usergraph.session_is_live() from public;
grant execute on function usergraph.session_is_live() to authenticated;
