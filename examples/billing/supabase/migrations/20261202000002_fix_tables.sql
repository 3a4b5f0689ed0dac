-- projects: anon may select, insert, update and delete by their grants, and no policy lets them.
revoke select, insert, update, delete on public.projects from anon;
-- projects: no index begins with user_id and created_at, so that a list cannot begin with the newest.
create index on public.projects (user_id, created_at, id);
-- todos: anon may select, insert, update and delete by their grants, and no policy lets them.
revoke select, insert, update, delete on public.todos from anon;
