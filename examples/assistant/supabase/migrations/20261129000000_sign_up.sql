-- Each user of Supabase Auth has a row of public.users: new ones by a trigger, and those who signed up before it at once.
do $$
begin
    if not exists (select from pg_constraint where conrelid = to_regclass('public.users') and conname = 'users_full_name_shows') then
        raise exception 'public.users is not the table of 20261124000000_users.sql'
            using hint = 'Your project fills it: delete the file 20261129000000_sign_up.sql, and run usergraph migrate again.';
    end if;
end;
$$;

-- Users write their metadata themselves. What is no text, or what a constraint of the table refuses, is left null. No error
-- leaves this function: nothing keeps anybody from signing up. A user without a row is in PostgreSQL's log.
create function public.usergraph_add_user(user_id uuid, meta jsonb) returns void
    language plpgsql
    set search_path = ''
as $$
begin
    begin
        insert into public.users (id, full_name, avatar_url) values (
            user_id,
            case jsonb_typeof(meta -> 'full_name') when 'string' then meta ->> 'full_name' end,
            case jsonb_typeof(meta -> 'avatar_url') when 'string' then meta ->> 'avatar_url' end)
        on conflict do nothing;
        return;
    exception when others then
        null; -- one of the two is refused: each is tried alone
    end;
    insert into public.users (id) values (user_id);
    begin
        update public.users set full_name = meta ->> 'full_name' where id = user_id and jsonb_typeof(meta -> 'full_name') = 'string';
    exception when others then
        null;
    end;
    begin
        update public.users set avatar_url = meta ->> 'avatar_url' where id = user_id and jsonb_typeof(meta -> 'avatar_url') = 'string';
    exception when others then
        null;
    end;
exception when others then
    raise warning 'the user % has no row in public.users: %', user_id, sqlstate;
end;
$$;

-- security definer: the role that signs a user up may not write public.users.
-- search_path is pinned, so that no other schema can slip in a table of the same name.
create function public.usergraph_new_user() returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
begin
    perform public.usergraph_add_user(new.id, new.raw_user_meta_data);
    return new;
end;
$$;

revoke all on function public.usergraph_add_user(uuid, jsonb), public.usergraph_new_user() from public, anon, authenticated;

create trigger usergraph_new_user
    after insert on auth.users
    for each row execute function public.usergraph_new_user();

do $$
begin
    perform public.usergraph_add_user(id, raw_user_meta_data) from auth.users u
        where not exists (select from public.users where id = u.id);
end;
$$;
