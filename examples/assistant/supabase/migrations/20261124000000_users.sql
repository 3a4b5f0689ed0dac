-- A project that has a table public.users keeps it.
do $$
begin
    if to_regclass('public.users') is not null then
        raise exception 'this project has a table public.users already'
            using hint = 'It stays as it is: delete the files 20261124000000_users.sql and 20261129000000_sign_up.sql of supabase/migrations, '
                'and run usergraph migrate again. Then usergraph doctor says whether the API can read your table.';
    end if;
end;
$$;

-- One row a user. The columns are those of Supabase's Next.js starter. The checks are what schema.graphqls promises of a
-- user's name and picture, for all who write: sign-up, PostgREST and triggers too. models/user.go has the same rules in Go.
create table public.users (
    id              uuid primary key references auth.users (id) on delete cascade,
    full_name       text,
    avatar_url      text,
    billing_address jsonb,
    payment_method  jsonb,
    -- 1 to 200 characters, no control characters, no line breaks, and something that shows.
    constraint users_full_name_shows check (
        char_length(full_name) between 1 and 200
        and full_name !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'
        and full_name ~ '[^ \u00a0\u00ad\u1680\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff]'
    ),
    -- Scheme, a name or IPv4 address, a port from 1 to 65535 if any; then a path, a query or a fragment without control
    -- characters and with whole percent-escapes. No user, no IPv6 address.
    constraint users_avatar_url_is_web check (
        char_length(avatar_url) <= 2048
        and avatar_url ~ ('^[hH][tT][tT][pP][sS]?://[0-9A-Za-z._\u00a1-\u1fff\u2030-\ufeff\U00010000-\U0010ffff-]+'
            || '(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?'
            || '([/?#]([^%\u0001-\u001f\u007f-\u009f\u2028\u2029]|%[0-9A-Fa-f]{2})*)?$')
    )
);

comment on table public.users is 'What the API tells about a user. One row for each row of auth.users.';

alter table public.users enable row level security;

-- (select auth.uid()) is evaluated once a statement, auth.uid() once a row.
-- https://supabase.com/docs/guides/database/postgres/row-level-security#call-functions-with-select
create policy "users read their own row" on public.users
    for select to authenticated
    using ((select auth.uid()) = id);

create policy "users update their own row" on public.users
    for update to authenticated
    using ((select auth.uid()) = id)
    with check ((select auth.uid()) = id);

-- A Supabase project grants everything on new tables to the API's roles. This API needs only this much.
revoke all on public.users from anon, authenticated;
grant select on public.users to authenticated;
grant update (full_name, avatar_url) on public.users to authenticated;
