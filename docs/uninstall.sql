-- Removes what usergraph has added to a database, in one transaction. Run it as the role that ran `usergraph migrate`, once no
-- server uses the database: psql "$DATABASE_MIGRATE_URL" -f docs/uninstall.sql
--
-- Tables and their rows stay, public.users with its checks too. So do the migrations of your own.
begin;
set local client_min_messages = warning; -- not each object that goes

-- The engine: its functions, its ledgers, and the triggers usergraph_announce_… that call its functions.
drop schema if exists usergraph cascade;

-- Sign-up: the trigger on auth.users that fills public.users goes with its function. In a project auth.users belongs to another
-- role, and only that one may drop the trigger by its name.
drop function if exists public.usergraph_new_user(), public.usergraph_add_user(uuid, jsonb) cascade;

-- What usergraph added before it had a schema of its own: functions, and the triggers that call them. A function
-- handle_new_user() that is not ours stays.
drop function if exists public.session_is_live(), public.announce_change(), public.clear_broken_promises() cascade;
do $$
begin
    if (select prosrc from pg_proc where oid = to_regprocedure('public.handle_new_user()')) like '%one of the two is refused: each is tried alone%' then
        drop function public.handle_new_user() cascade;
    end if;
    -- The Supabase CLI refuses to push where its ledger has versions that its folder has not.
    if to_regclass('supabase_migrations.schema_migrations') is not null then
        delete from supabase_migrations.schema_migrations where (version, name) in (
            ('20261124000000', 'users'), ('20261125000000', 'session_is_live'), ('20261125000100', 'announce_changes'),
            ('20261126000000', 'user_promises'), ('20261126000100', 'announce_any_row'), ('20261129000000', 'sign_up'));
    end if;
end;
$$;

commit;
