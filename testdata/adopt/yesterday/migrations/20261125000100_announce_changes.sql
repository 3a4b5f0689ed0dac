-- Subscriptions: each committed change of a row is announced, as <table>:<id> and never with what the row holds. Whoever
-- hears it reads the row with their own rights. The same row changed twice in a transaction is announced once.
create function public.announce_change() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    if tg_op <> 'INSERT' then
        perform pg_notify('usergraph_changes', tg_table_name || ':' || old.id);
    end if;
    if tg_op <> 'DELETE' then
        perform pg_notify('usergraph_changes', tg_table_name || ':' || new.id);
    end if;
    return null;
end;
$$;

comment on function public.announce_change() is 'Tells subscribers of a table with the primary key id that a row has changed.';

-- A trigger runs it without any grant; nobody else may.
revoke all on function public.announce_change() from public, anon, authenticated;

create trigger users_announce_change
    after insert or delete on public.users
    for each row execute function public.announce_change();

create trigger users_announce_update
    after update on public.users
    for each row when (old.* is distinct from new.*)
    execute function public.announce_change();
