-- What every Supabase project already has and a bare PostgreSQL does not: the API's roles, as much of the schema auth as
-- migrations, policies and the local stand-in for Supabase Auth use, and what migrations refer to of Storage, Realtime and
-- the extensions. Never applied to a Supabase project.
-- Reruns change nothing, and add what a database of an older version lacks.
-- https://supabase.com/docs/guides/database/postgres/roles
do $roles$ begin
    if to_regrole('authenticator') is not null then
        return;
    end if;
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
end $roles$;

create schema if not exists auth;
grant usage on schema auth to anon, authenticated, service_role;

do $types$ begin
    if to_regtype('auth.aal_level') is not null then
        return;
    end if;
    create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');
    create type auth.factor_type as enum ('totp', 'webauthn', 'phone');
    create type auth.factor_status as enum ('unverified', 'verified');
    create type auth.code_challenge_method as enum ('s256', 'plain');
end $types$;

create table if not exists auth.users (
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
alter table auth.users
    add column if not exists phone_confirmed_at          timestamptz,
    add column if not exists phone_change                text default '',
    add column if not exists phone_change_token          varchar(255) default '',
    add column if not exists phone_change_sent_at        timestamptz,
    add column if not exists email_change_token_current  varchar(255) default '',
    add column if not exists email_change_confirm_status smallint default 0 check (email_change_confirm_status between 0 and 2),
    add column if not exists reauthentication_token      varchar(255) default '',
    add column if not exists reauthentication_sent_at    timestamptz,
    add column if not exists confirmed_at                timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored;
create unique index if not exists users_email_partial_key on auth.users (email) where is_sso_user = false;
create unique index if not exists confirmation_token_idx on auth.users (confirmation_token) where confirmation_token !~ '^[0-9 ]*$';
create unique index if not exists email_change_token_current_idx on auth.users (email_change_token_current) where email_change_token_current !~ '^[0-9 ]*$';
create unique index if not exists email_change_token_new_idx on auth.users (email_change_token_new) where email_change_token_new !~ '^[0-9 ]*$';

create table if not exists auth.identities (
    id              uuid primary key default gen_random_uuid(),
    provider_id     text not null,
    user_id         uuid not null references auth.users (id) on delete cascade,
    identity_data   jsonb not null,
    provider        text not null,
    last_sign_in_at timestamptz,
    created_at      timestamptz,
    updated_at      timestamptz,
    email           text generated always as (lower(identity_data ->> 'email')) stored,
    unique (provider_id, provider)
);
create index if not exists identities_user_id_idx on auth.identities (user_id);

create table if not exists auth.sessions (
    id           uuid primary key,
    user_id      uuid not null references auth.users (id) on delete cascade,
    created_at   timestamptz default now(),
    updated_at   timestamptz default now(),
    aal          auth.aal_level,
    not_after    timestamptz,
    refreshed_at timestamp,
    user_agent   text,
    ip           inet
);
alter table auth.sessions
    add column if not exists factor_id       uuid,
    add column if not exists tag             text,
    add column if not exists oauth_client_id uuid,
    add column if not exists scopes          text;
do $aal$ begin
    -- Older versions of this file had a text.
    if (select atttypid from pg_attribute where attrelid = 'auth.sessions'::regclass and attname = 'aal') = 'text'::regtype then
        alter table auth.sessions alter column aal type auth.aal_level using aal::auth.aal_level;
    end if;
end $aal$;
create index if not exists sessions_user_id_idx on auth.sessions (user_id);

create table if not exists auth.refresh_tokens (
    id         bigserial primary key,
    token      varchar(255) unique,
    user_id    varchar(255),
    session_id uuid references auth.sessions (id) on delete cascade,
    parent     varchar(255),
    revoked    boolean,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

create table if not exists auth.mfa_factors (
    id                 uuid primary key,
    user_id            uuid not null references auth.users (id) on delete cascade,
    friendly_name      text,
    factor_type        auth.factor_type not null,
    status             auth.factor_status not null,
    created_at         timestamptz not null,
    updated_at         timestamptz not null,
    secret             text,
    phone              text,
    last_challenged_at timestamptz unique
);
create unique index if not exists mfa_factors_user_friendly_name_unique on auth.mfa_factors (friendly_name, user_id) where trim(friendly_name) <> '';
create index if not exists mfa_factors_user_id_idx on auth.mfa_factors (user_id);

create table if not exists auth.mfa_challenges (
    id          uuid primary key,
    factor_id   uuid not null references auth.mfa_factors (id) on delete cascade,
    created_at  timestamptz not null,
    verified_at timestamptz,
    ip_address  inet not null,
    otp_code    text
);

create table if not exists auth.mfa_amr_claims (
    id                    uuid primary key,
    session_id            uuid not null references auth.sessions (id) on delete cascade,
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    authentication_method text not null,
    constraint mfa_amr_claims_session_id_authentication_method_pkey unique (session_id, authentication_method)
);

create table if not exists auth.flow_state (
    id                    uuid primary key,
    user_id               uuid,
    auth_code             text,
    code_challenge_method auth.code_challenge_method,
    code_challenge        text,
    provider_type         text not null,
    authentication_method text not null,
    auth_code_issued_at   timestamptz,
    created_at            timestamptz,
    updated_at            timestamptz
);
create index if not exists idx_auth_code on auth.flow_state (auth_code);

do $types$ begin
    if to_regtype('auth.oauth_client_type') is not null then
        return;
    end if;
    create type auth.oauth_registration_type as enum ('dynamic', 'manual');
    create type auth.oauth_client_type as enum ('public', 'confidential');
    create type auth.oauth_authorization_status as enum ('pending', 'approved', 'denied', 'expired');
    create type auth.oauth_response_type as enum ('code');
end $types$;

create table if not exists auth.oauth_clients (
    id                         uuid primary key,
    client_secret_hash         text,
    registration_type          auth.oauth_registration_type not null,
    redirect_uris              text not null,
    grant_types                text not null,
    client_name                text check (char_length(client_name) <= 1024),
    client_uri                 text check (char_length(client_uri) <= 2048),
    logo_uri                   text check (char_length(logo_uri) <= 2048),
    created_at                 timestamptz not null default now(),
    updated_at                 timestamptz not null default now(),
    deleted_at                 timestamptz,
    client_type                auth.oauth_client_type not null default 'confidential',
    token_endpoint_auth_method text not null check (token_endpoint_auth_method in ('client_secret_basic', 'client_secret_post', 'none'))
);

create table if not exists auth.oauth_authorizations (
    id                    uuid primary key,
    authorization_id      text not null unique,
    client_id             uuid not null references auth.oauth_clients (id) on delete cascade,
    user_id               uuid references auth.users (id) on delete cascade,
    redirect_uri          text not null check (char_length(redirect_uri) <= 2048),
    scope                 text not null check (char_length(scope) <= 4096),
    state                 text check (char_length(state) <= 4096),
    resource              text check (char_length(resource) <= 2048),
    code_challenge        text check (char_length(code_challenge) <= 128),
    code_challenge_method auth.code_challenge_method,
    response_type         auth.oauth_response_type not null default 'code',
    status                auth.oauth_authorization_status not null default 'pending',
    authorization_code    text unique check (char_length(authorization_code) <= 255),
    created_at            timestamptz not null default now(),
    expires_at            timestamptz not null default now() + interval '3 minutes',
    approved_at           timestamptz,
    nonce                 text check (char_length(nonce) <= 255),
    check (expires_at > created_at)
);

create table if not exists auth.oauth_consents (
    id         uuid primary key,
    user_id    uuid not null references auth.users (id) on delete cascade,
    client_id  uuid not null references auth.oauth_clients (id) on delete cascade,
    scopes     text not null check (char_length(scopes) <= 2048 and char_length(trim(scopes)) > 0),
    granted_at timestamptz not null default now(),
    revoked_at timestamptz check (revoked_at is null or revoked_at >= granted_at),
    unique (user_id, client_id)
);

do $client$ begin
    if not exists (select from pg_constraint where conrelid = 'auth.sessions'::regclass and conname = 'sessions_oauth_client_id_fkey') then
        alter table auth.sessions add constraint sessions_oauth_client_id_fkey
            foreign key (oauth_client_id) references auth.oauth_clients (id) on delete cascade;
    end if;
end $client$;
create index if not exists sessions_oauth_client_id_idx on auth.sessions (oauth_client_id);

-- The definitions of Supabase Auth's own migrations.
create or replace function auth.uid() returns uuid language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
    )::uuid
$$;

create or replace function auth.role() returns text language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
    )::text
$$;

create or replace function auth.email() returns text language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
    )::text
$$;

create or replace function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;

-- The role of Supabase Auth, which migrations grant its hooks to. Nobody logs in as it.
do $auth$ begin
    if to_regrole('supabase_auth_admin') is null then
        create role supabase_auth_admin nologin noinherit;
    end if;
end $auth$;

-- The extensions that a new project has, as far as this PostgreSQL has them. Migrations name their functions without a schema.
create schema if not exists extensions;
grant usage on schema extensions to public;
alter role postgres set search_path = "$user", public, extensions;
do $extensions$
declare
    extension name;
begin
    for extension in select name from pg_available_extensions where name in ('uuid-ossp', 'pgcrypto') loop
        execute format('create extension if not exists %I with schema extensions', extension);
    end loop;
end $extensions$;

-- Migrations add tables to Realtime's publication. Nobody subscribes to it here.
do $realtime$ begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
end $realtime$;

-- Migrations make buckets, and policies for their objects. There is no server for files.
create schema if not exists storage;
grant usage on schema storage to anon, authenticated, service_role;

create table if not exists storage.buckets (
    id                 text primary key,
    name               text not null unique,
    owner              uuid,
    created_at         timestamptz default now(),
    updated_at         timestamptz default now(),
    public             boolean default false,
    avif_autodetection boolean default false,
    file_size_limit    bigint,
    allowed_mime_types text[],
    owner_id           text
);
create table if not exists storage.objects (
    id               uuid primary key default gen_random_uuid(),
    bucket_id        text references storage.buckets (id),
    name             text,
    owner            uuid,
    created_at       timestamptz default now(),
    updated_at       timestamptz default now(),
    last_accessed_at timestamptz default now(),
    metadata         jsonb,
    path_tokens      text[] generated always as (string_to_array(name, '/')) stored,
    version          text,
    owner_id         text,
    user_metadata    jsonb,
    unique (bucket_id, name)
);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;

-- A path's folders, its last part, and what follows the last dot of that.
create or replace function storage.foldername(name text) returns text[] language sql immutable as $$
    select (string_to_array(name, '/'))[:array_length(string_to_array(name, '/'), 1) - 1]
$$;

create or replace function storage.filename(name text) returns text language sql immutable as $$
    select (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)]
$$;

create or replace function storage.extension(name text) returns text language sql immutable as $$
    select reverse(split_part(reverse(storage.filename(name)), '.', 1))
$$;
