-- What every Supabase project already has and a bare PostgreSQL does not: the API's roles, and as much of the schema
-- auth as migrations, policies and the local stand-in for Supabase Auth use. Never applied to a Supabase project.
-- https://supabase.com/docs/guides/database/postgres/roles
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
-- noinherit: who logs in as authenticator has no rights until the role is switched.
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;

grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;

create schema auth;
grant usage on schema auth to anon, authenticated, service_role;

create table auth.users (
    instance_id          uuid,
    id                   uuid primary key,
    aud                  varchar(255),
    role                 varchar(255),
    email                varchar(255),
    encrypted_password   varchar(255),
    email_confirmed_at   timestamptz,
    invited_at           timestamptz,
    confirmation_token   varchar(255),
    confirmation_sent_at timestamptz,
    recovery_token       varchar(255),
    recovery_sent_at     timestamptz,
    email_change_token_new varchar(255),
    email_change         varchar(255),
    email_change_sent_at timestamptz,
    last_sign_in_at      timestamptz,
    raw_app_meta_data    jsonb,
    raw_user_meta_data   jsonb,
    is_super_admin       boolean,
    created_at           timestamptz default now(),
    updated_at           timestamptz default now(),
    phone                text unique,
    banned_until         timestamptz,
    deleted_at           timestamptz,
    is_sso_user          boolean not null default false,
    is_anonymous         boolean not null default false
);
create unique index users_email_partial_key on auth.users (email) where is_sso_user = false;

create table auth.sessions (
    id           uuid primary key,
    user_id      uuid not null references auth.users (id) on delete cascade,
    created_at   timestamptz default now(),
    updated_at   timestamptz default now(),
    aal          text,
    not_after    timestamptz,
    refreshed_at timestamp,
    user_agent   text,
    ip           inet
);
create index sessions_user_id_idx on auth.sessions (user_id);

create table auth.refresh_tokens (
    id         bigserial primary key,
    token      varchar(255) unique,
    user_id    varchar(255),
    session_id uuid references auth.sessions (id) on delete cascade,
    parent     varchar(255),
    revoked    boolean,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

-- The definitions of Supabase Auth's own migrations.
create function auth.uid() returns uuid language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
    )::uuid
$$;

create function auth.role() returns text language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
    )::text
$$;

create function auth.email() returns text language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
    )::text
$$;

create function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
