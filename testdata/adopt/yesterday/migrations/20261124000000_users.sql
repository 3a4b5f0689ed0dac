-- One row a user, made when they sign up. The columns are those of Supabase's Next.js starter.
create table public.users (
    id              uuid primary key references auth.users (id) on delete cascade,
    full_name       text,
    avatar_url      text,
    billing_address jsonb,
    payment_method  jsonb
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

-- security definer: the role that signs a user up may not write public.users.
-- search_path is pinned, so that no other schema can slip in a table of the same name.
create function public.handle_new_user() returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
begin
    insert into public.users (id, full_name, avatar_url)
    values (new.id, new.raw_user_meta_data ->> 'full_name', new.raw_user_meta_data ->> 'avatar_url');
    return new;
end;
$$;

revoke all on function public.handle_new_user() from public, anon, authenticated;

create trigger on_auth_user_created
    after insert on auth.users
    for each row execute function public.handle_new_user();
