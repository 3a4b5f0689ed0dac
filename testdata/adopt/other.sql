-- A table of the same name as ours, with other columns.
create table public.users (
    id uuid primary key references auth.users (id) on delete cascade,
    email text not null,
    name text,
    created_at timestamptz not null default now()
);
alter table public.users enable row level security;
create policy "own" on public.users for select to authenticated using ((select auth.uid()) = id);
