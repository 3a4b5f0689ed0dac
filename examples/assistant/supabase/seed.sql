-- Three users for development, who sign in with the password "usergraph-dev", and an anonymous one. The trigger on
-- auth.users makes their rows in public.users. Reruns change nothing.
insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password, email_confirmed_at,
    raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
    confirmation_token, recovery_token, email_change_token_new, email_change
)
select
    '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', email,
    '$2a$10$PDEkXqR7qOB0YLuNq3KiLO.8LswSolTbR2PrQJDtTDU4HfJVo52uG', now(),
    '{"provider": "email", "providers": ["email"]}', meta, now(), now(),
    '', '', '', ''
from (values
    ('a0000000-0000-4000-8000-000000000001'::uuid, 'ada@example.com',
     '{"full_name": "Ada Lovelace", "avatar_url": "https://example.com/ada.png"}'::jsonb),
    ('b0000000-0000-4000-8000-000000000002'::uuid, 'bob@example.com',
     '{"full_name": "Bob Kahn", "avatar_url": "https://example.com/bob.png"}'::jsonb),
    ('c0000000-0000-4000-8000-000000000003'::uuid, 'noname@example.com',
     '{}'::jsonb)
) as people (id, email, meta)
on conflict do nothing;

insert into auth.users (
    instance_id, id, aud, role, is_anonymous, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
    confirmation_token, recovery_token, email_change_token_new, email_change
)
values (
    '00000000-0000-0000-0000-000000000000', 'e0000000-0000-4000-8000-000000000005', 'authenticated', 'authenticated', true,
    '{}', '{}', now(), now(),
    '', '', '', ''
)
on conflict do nothing;

-- How they sign in. Supabase Auth and its dashboard want a row for each way.
insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
select id::text, id, raw_user_meta_data || jsonb_build_object('sub', id, 'email', email), 'email', now(), now(), now()
from auth.users where email in ('ada@example.com', 'bob@example.com', 'noname@example.com')
on conflict do nothing;
