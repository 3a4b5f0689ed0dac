-- The tables, policies and sign-up of Supabase's Next.js starter, as far as users go, with the default grants.
create table public.users (
    id uuid references auth.users not null primary key,
    full_name text,
    avatar_url text,
    billing_address jsonb,
    payment_method jsonb
);
alter table public.users enable row level security;
create policy "Can view own user data." on public.users for select using (auth.uid() = id);
create policy "Can update own user data." on public.users for update using (auth.uid() = id);
create function public.handle_new_user() returns trigger as $$
begin
    insert into public.users (id, full_name, avatar_url)
    values (new.id, new.raw_user_meta_data->>'full_name', new.raw_user_meta_data->>'avatar_url');
    return new;
end;
$$ language plpgsql security definer;
create trigger on_auth_user_created after insert on auth.users for each row execute procedure public.handle_new_user();
