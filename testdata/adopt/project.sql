-- A PostgreSQL with the shims becomes one whose roles and ownership are those of a Supabase project: postgres is no
-- superuser and does not own the schema auth. The superuser, who runs this, is supabase_admin then.
alter role supabase_auth_admin createrole login;
alter schema auth owner to supabase_auth_admin;
do $$
declare
    object record;
begin
    for object in select oid::regclass as name from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r' loop
        execute format('alter table %s owner to supabase_auth_admin', object.name);
    end loop;
    for object in select oid::regprocedure as name from pg_proc where pronamespace = 'auth'::regnamespace loop
        execute format('alter function %s owner to supabase_auth_admin', object.name);
    end loop;
end;
$$;
grant usage on schema auth to postgres with grant option;
grant all on all tables in schema auth to postgres with grant option;
grant all on all sequences in schema auth to postgres with grant option;
grant all on all functions in schema auth to postgres with grant option;
grant anon, authenticated, service_role to postgres with admin option;
alter schema public owner to postgres;
-- The role that signs users up may use the schema public, and write nothing there.
grant usage on schema public to anon, authenticated, service_role, supabase_auth_admin;
alter default privileges for role postgres in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to anon, authenticated, service_role;

-- PostgREST reads the schema again after each change of it.
create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as $$ begin notify pgrst, 'reload schema'; end; $$;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
