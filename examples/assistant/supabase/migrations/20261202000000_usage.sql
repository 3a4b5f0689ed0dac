-- How many tokens of the model a user may use in a day of UTC. Users read their own row. Only the two functions below change
-- it, and the team.
create table public.usage (
    user_id     uuid primary key references auth.users (id) on delete cascade,
    token_limit integer not null default 50000 check (token_limit between 0 and 1000000000),
    day         date not null default (now() at time zone 'UTC')::date,
    used        integer not null default 0 check (used >= 0)
);
comment on table public.usage is 'Tokens of the model that a user has used today';
alter table public.usage enable row level security;
create policy "own usage" on public.usage for select to authenticated using ((select auth.uid()) = user_id);
revoke all on public.usage from anon, authenticated;
grant select on public.usage to authenticated;

-- Each user has a row, from the start. security definer: the role that signs a user up may not write it.
create function public.assistant_new_user() returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
begin
    insert into public.usage (user_id) values (new.id) on conflict do nothing;
    return new;
end;
$$;
revoke all on function public.assistant_new_user() from public, anon, authenticated;
create trigger assistant_new_user after insert on public.users for each row execute function public.assistant_new_user();
insert into public.usage (user_id) select id from public.users;

-- PostgREST does not expose this schema: supabase/config.toml and the dashboard list the schemas that it does.
create schema assistant;
revoke all on schema assistant from public;
grant usage on schema assistant to authenticated;

-- The audit: a row for each call of the model. Nobody but the functions below reads or writes it.
create table assistant.calls (
    key      uuid primary key default gen_random_uuid(),
    user_id  uuid not null references auth.users (id) on delete cascade,
    day      date not null,
    reserved integer not null check (reserved > 0),
    -- Null until the call is settled. counted is what the provider said; charged is less if the limit had no room for it.
    counted  integer check (counted >= 0),
    charged  integer check (charged between 0 and counted),
    reserved_at timestamptz not null default clock_timestamp(),
    settled_at  timestamptz,
    check ((settled_at is null) = (counted is null) and (counted is null) = (charged is null))
);
create index on assistant.calls (user_id, reserved_at);
alter table assistant.calls enable row level security;
revoke all on assistant.calls from public, anon, authenticated;

-- The server runs both functions as the user, since it has no other role; so they must be harmless in the user's own hands.
-- What keeps a call that the server has reserved from being settled by its user is its key: 122 random bits that only the
-- server gets, and that no user can read.

-- Reserves tokens for a call of the model, and returns the key that settles it; null if the day's limit has no room.
create function assistant.reserve(tokens integer) returns uuid
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    caller uuid := auth.uid();
    today  date := (now() at time zone 'UTC')::date;
    mine   public.usage;
    made   uuid;
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = 'insufficient_privilege';
    elsif tokens is null or tokens not between 1 and 1000000 then
        raise exception 'a reservation has 1 to 1000000 tokens' using errcode = 'invalid_parameter_value';
    end if;
    insert into public.usage (user_id) values (caller) on conflict do nothing;
    select * into strict mine from public.usage where user_id = caller for update;
    if mine.day < today then
        mine.day := today;
        mine.used := 0;
    end if;
    if tokens > mine.token_limit - mine.used then
        return null;
    end if;
    update public.usage set day = mine.day, used = mine.used + tokens where user_id = caller;
    insert into assistant.calls (user_id, day, reserved) values (caller, mine.day, tokens) returning key into made;
    return made;
end;
$$;

-- Settles a call with the tokens that the provider has counted, once, and returns what was charged: at most what the limit
-- has room for. A call that nobody settles within ten minutes stays charged as it was reserved.
create function assistant.settle(call uuid, tokens integer) returns integer
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    caller uuid := auth.uid();
    made   assistant.calls;
    mine   public.usage;
    charge integer := tokens;
begin
    if tokens is null or tokens < 0 then
        raise exception 'a call has 0 tokens or more' using errcode = 'invalid_parameter_value';
    end if;
    select * into made from assistant.calls
        where key = call and user_id = caller and settled_at is null and reserved_at > clock_timestamp() - interval '10 minutes'
        for update;
    if not found then
        raise exception 'there is no open call of this key' using errcode = 'insufficient_privilege';
    end if;
    select * into strict mine from public.usage where user_id = caller for update;
    -- A call of yesterday leaves today's count alone.
    if made.day = mine.day then
        charge := least(tokens, made.reserved + greatest(mine.token_limit - mine.used, 0));
        update public.usage set used = mine.used - made.reserved + charge where user_id = caller;
    end if;
    update assistant.calls set counted = tokens, charged = charge, settled_at = clock_timestamp() where key = call;
    return charge;
end;
$$;

revoke all on function assistant.reserve(integer), assistant.settle(uuid, integer) from public, anon, authenticated;
grant execute on function assistant.reserve(integer), assistant.settle(uuid, integer) to authenticated;
