-- What schema.graphqls promises of a user's name and picture holds for all who write: sign-up, PostgREST and triggers too.
-- models/promises.go has the same rules in Go. Constraints of other tables may use these functions too.
-- Their bodies are parsed now, so that no search_path changes what they mean.
create function public.is_display_name(name text) returns boolean
    language sql
    immutable
    parallel safe
return
    -- 1 to 200 characters, no control characters, no line breaks, and something that shows.
    char_length(name) between 1 and 200
        and name !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'
        and name ~ '[^ \u00a0\u00ad\u1680\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff]';

comment on function public.is_display_name(text) is 'Whether a text is 1 to 200 characters on one line, and shows something. Null for null.';

create function public.is_web_url(address text) returns boolean
    language sql
    immutable
    parallel safe
return
    -- Scheme, a name or IPv4 address, a port from 1 to 65535 if any; then a path, a query or a fragment without control
    -- characters and with whole percent-escapes. No user, no IPv6 address.
    char_length(address) <= 2048
        and address ~ ('^[hH][tT][tT][pP][sS]?://[0-9A-Za-z._\u00a1-\u1fff\u2030-\ufeff\U00010000-\U0010ffff-]+'
            || '(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?'
            || '([/?#]([^%\u0001-\u001f\u007f-\u009f\u2028\u2029]|%[0-9A-Fa-f]{2})*)?$');

comment on function public.is_web_url(text) is 'Whether a text is an http or https URL that a browser may load a picture from. Null for null.';

-- A constraint runs them with the rights of whoever writes.
grant execute on function public.is_display_name(text), public.is_web_url(text) to public;

-- A check looks at the whole new row. So that a value from before the checks does not keep anybody from changing another
-- column, it becomes null with the first change.
create function public.clear_broken_promises() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    if new.full_name is not distinct from old.full_name and not public.is_display_name(new.full_name) then
        new.full_name := null;
    end if;
    if new.avatar_url is not distinct from old.avatar_url and not public.is_web_url(new.avatar_url) then
        new.avatar_url := null;
    end if;
    return new;
end;
$$;

revoke all on function public.clear_broken_promises() from public, anon, authenticated;

do $migration$
declare
    names bigint;
    addresses bigint;
begin
    -- A team's own sign-up trigger would fail for what the checks refuse, and may do more than ours: both are left alone.
    if (select regexp_replace(prosrc, '\s', '', 'g') from pg_proc where oid = to_regprocedure('public.handle_new_user()')) is distinct from
        'begininsertintopublic.users(id,full_name,avatar_url)values(new.id,new.raw_user_meta_data->>''full_name'',new.raw_user_meta_data->>''avatar_url'');returnnew;end;'
    then
        raise warning 'public.handle_new_user() is not the one of this project, so public.users gets no checks; the API shows null for what breaks its promises'
            using hint = 'docs/security.md, "What the schema promises", has the checks to add once your own function stores null for what they refuse.';
        return;
    end if;

    -- Rows from before stay as they are until somebody changes or mends them.
    select count(*) filter (where not public.is_display_name(full_name)), count(*) filter (where not public.is_web_url(avatar_url))
    into names, addresses from public.users;
    if names + addresses > 0 then
        raise warning 'public.users: % rows have a full_name, and % an avatar_url, that breaks what the API promises; it shows null there', names, addresses
            using hint = 'List them: select id, full_name, avatar_url from public.users where not public.is_display_name(full_name) or not public.is_web_url(avatar_url); '
                'then: alter table public.users validate constraint users_full_name_shows, validate constraint users_avatar_url_is_web;';
    end if;
    alter table public.users
        add constraint users_full_name_shows check (public.is_display_name(full_name)) not valid,
        add constraint users_avatar_url_is_web check (public.is_web_url(avatar_url)) not valid;

    create trigger users_clear_broken_promises
        before update on public.users
        for each row execute function public.clear_broken_promises();

    -- Users write their metadata themselves. What is no text, or what a constraint of the table refuses, is left null: a
    -- name or a picture keeps nobody from signing up.
    create or replace function public.handle_new_user() returns trigger
        language plpgsql
        security definer
        set search_path = ''
    as $$
    declare
        meta jsonb := new.raw_user_meta_data;
    begin
        begin
            insert into public.users (id, full_name, avatar_url) values (
                new.id,
                case jsonb_typeof(meta -> 'full_name') when 'string' then meta ->> 'full_name' end,
                case jsonb_typeof(meta -> 'avatar_url') when 'string' then meta ->> 'avatar_url' end);
            return new;
        exception when integrity_constraint_violation or data_exception then
            null; -- one of the two is refused: each is tried alone
        end;
        insert into public.users (id) values (new.id);
        begin
            update public.users set full_name = meta ->> 'full_name' where id = new.id and jsonb_typeof(meta -> 'full_name') = 'string';
        exception when integrity_constraint_violation or data_exception then
            null;
        end;
        begin
            update public.users set avatar_url = meta ->> 'avatar_url' where id = new.id and jsonb_typeof(meta -> 'avatar_url') = 'string';
        exception when integrity_constraint_violation or data_exception then
            null;
        end;
        return new;
    end;
    $$;
end;
$migration$;
