-- Announcements tell the servers which rows have changed, by NOTIFY on the channel usergraph. A payload is a JSON array:
--   ["schema.table", key, owner]   the row with this key has changed; owner is null if the table has no owner column
--   ["schema.table", null, owner]  many rows of this owner have changed, or the key is too long for NOTIFY
--   ["schema.table", null, null]   many rows have changed
-- The values are the texts of the columns; those of a key of several columns are joined by commas. Nothing else of a row
-- is in it: servers read a changed row with the rights of each caller. Two rows may have the same text, which costs a read.
create function usergraph.announce_changes(target regclass, owner_column text, variadic key_columns text[]) returns void
    language plpgsql
    set search_path = ''
as $install$
declare
    table_name text := (select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target);
    function_name text := 'announce ' || table_name;
    missing text;
    key text;
    owner text := 'null::text';
    member regclass;
    event text;
    tables text;
    arguments text;
begin
    -- A statement trigger sees what changed in a table, not in what a view reads.
    if (select relkind not in ('r', 'p') from pg_class where oid = target) then
        raise warning '% is no table: its changes are not announced', table_name
            using hint = 'Subscriptions that read it are refused. Watch the tables that it reads, and give the BaseModel of its struct the tag usergraph:"-".';
        return;
    end if;
    select c into missing from unnest(key_columns || owner_column) c
        where c is not null and not exists (select from pg_attribute where attrelid = target and attname = c and attnum > 0 and not attisdropped);
    if missing is not null then
        raise exception '% has no column %', table_name, missing;
    end if;
    if octet_length(function_name) > 63 then
        function_name := 'announce ' || md5(table_name);
    end if;
    key := (select string_agg(format('r.%I::text', c), ' || '','' || ' order by i) from unnest(key_columns) with ordinality k (c, i));
    if owner_column is not null then
        owner := format('r.%I::text', owner_column);
    end if;

    -- The SQL of a function of the table's own is planned once a session. One function for all tables would build its SQL
    -- in each call, which made an update of one row 200 microseconds slower instead of 15.
    execute format($format$
        create or replace function usergraph.%1$I() returns trigger
            language plpgsql
            set search_path = ''
        as $announce$
        declare
            -- A statement that changes more rows is announced once an owner; one that changes rows of more owners, once.
            most constant int := 100;
            announced text := tg_table_schema || '.' || tg_table_name;
            keys text[];
            owners text[];
        begin
            if pg_partition_root(tg_relid) <> tg_relid then
                announced := (select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where c.oid = pg_partition_root(tg_relid));
            end if;
            if tg_op = 'INSERT' then
                select array_agg(changed.k), array_agg(changed.o) into keys, owners
                    from (select %2$s k, %3$s o from new_rows r limit most + 1) changed;
            elsif tg_op = 'DELETE' then
                select array_agg(changed.k), array_agg(changed.o) into keys, owners
                    from (select %2$s k, %3$s o from old_rows r limit most + 1) changed;
            elsif tg_op = 'UPDATE' then
                -- *= compares how rows are stored, whatever their types. A changed key or owner is announced twice.
                select array_agg(changed.k), array_agg(changed.o) into keys, owners from (
                    select side.k, side.o
                    from (select %2$s k, %3$s o, r, true is_there from old_rows r) before
                    full join (select %2$s k, %3$s o, r, true is_there from new_rows r) after on before.k = after.k collate "C"
                    cross join lateral (values (after.k, after.o, after.is_there),
                        (before.k, before.o, before.is_there and (before.k, before.o) is distinct from (after.k, after.o))) side (k, o, announces)
                    where (before.r *= after.r) is not true and side.announces
                    limit most + 1) changed;
            else
                perform pg_notify('usergraph', json_build_array(announced, null, null)::text);
                return null;
            end if;
            if cardinality(keys) > most then
                if tg_op = 'INSERT' then
                    owners := array(select distinct %3$s from new_rows r limit most + 1);
                elsif tg_op = 'DELETE' then
                    owners := array(select distinct %3$s from old_rows r limit most + 1);
                else
                    owners := array(select %3$s from old_rows r union select %3$s from new_rows r limit most + 1);
                end if;
                keys := array_fill(null::text, array[cardinality(owners)]);
                if cardinality(owners) > most then
                    keys := array[null]; owners := array[null];
                end if;
            end if;
            for i in 1 .. coalesce(cardinality(keys), 0) loop
                -- NOTIFY takes payloads of less than 8000 bytes.
                perform pg_notify('usergraph', case
                    when octet_length(json_build_array(announced, keys[i], owners[i])::text) < 8000 then json_build_array(announced, keys[i], owners[i])
                    when octet_length(json_build_array(announced, null, owners[i])::text) < 8000 then json_build_array(announced, null, owners[i])
                    else json_build_array(announced, null, null) end::text);
            end loop;
            return null;
        exception when others then
            -- A write must not fail because a column has another name since this function was made.
            perform pg_notify('usergraph', json_build_array(announced, null, null)::text);
            return null;
        end;
        $announce$ $format$, function_name, key, owner);
    execute format('revoke all on function usergraph.%I() from public', function_name);
    execute format('comment on function usergraph.%I() is %L', function_name, 'Announces changes of ' || table_name || ' to subscribers.');

    -- The arguments say what the function was made for.
    arguments := (select string_agg(quote_literal(a), ', ' order by i) from unnest(key_columns || coalesce(owner_column, '')) with ordinality a (a, i));
    -- A statement fires the triggers of the table that it names: a partition has its own.
    for member in select coalesce(tree.relid, target) from (select) one left join pg_partition_tree(target) tree on true loop
        for event, tables in values ('insert', 'referencing new table as new_rows'), ('delete', 'referencing old table as old_rows'),
            ('update', 'referencing old table as old_rows new table as new_rows'), ('truncate', '') loop
            -- Making a trigger waits for all writers of the table, so one that is there already stays. One that is disabled is made anew.
            if not exists (select from pg_trigger where tgrelid = member and tgname = 'usergraph_announce_' || event and tgenabled in ('O', 'A')
                and tgfoid = format('usergraph.%I', function_name)::regproc
                and tgargs = (select string_agg(convert_to(a, getdatabaseencoding()) || '\x00', '' order by i) from unnest(key_columns || coalesce(owner_column, '')) with ordinality a (a, i))) then
                execute format('create or replace trigger usergraph_announce_%1$s after %1$s on %2$s %3$s for each statement execute function usergraph.%4$I(%5$s)',
                    event, member, tables, function_name, arguments);
            end if;
        end loop;
    end loop;
end;
$install$;

comment on function usergraph.announce_changes(regclass, text, text[]) is 'Announces the changes of a table to subscribers from now on. usergraph migrate calls it.';

revoke all on function usergraph.announce_changes(regclass, text, text[]) from public;
