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

-- What the example sells, Ada's subscription, and some todos.
insert into public.products (id, active, name, description) values
    ('prod_hobby', true, 'Hobby', 'For what you build at the weekend.'),
    ('prod_team', true, 'Team', 'For what you build with others.')
on conflict do nothing;
insert into public.prices (id, product_id, active, unit_amount, currency, type, interval, interval_count) values
    ('price_hobby_month', 'prod_hobby', true, 900, 'usd', 'recurring', 'month', 1),
    ('price_hobby_year', 'prod_hobby', true, 9000, 'usd', 'recurring', 'year', 1),
    ('price_team_month', 'prod_team', true, 2900, 'usd', 'recurring', 'month', 1),
    ('price_team_year', 'prod_team', true, 29000, 'usd', 'recurring', 'year', 1)
on conflict do nothing;
insert into public.subscriptions (id, user_id, status, price_id, quantity, cancel_at_period_end) values
    ('sub_ada', 'a0000000-0000-4000-8000-000000000001', 'active', 'price_hobby_month', 1, false)
on conflict do nothing;
insert into public.projects (id, user_id, name, color) overriding system value values
    (1, 'a0000000-0000-4000-8000-000000000001', 'Analytical Engine', 'teal'),
    (2, 'b0000000-0000-4000-8000-000000000002', 'Garden', 'green')
on conflict do nothing;
insert into public.todos (id, user_id, project_id, title, done, created_at) overriding system value
select n, 'a0000000-0000-4000-8000-000000000001', case when n % 2 = 0 then 1 end, 'Punch card ' || n, n % 5 = 0, timestamptz '2026-11-01' + n * interval '1 hour'
from generate_series(1, 45) as n
on conflict do nothing;
select setval(pg_get_serial_sequence('public.projects', 'id'), greatest(1000, (select max(id) from public.projects)));
select setval(pg_get_serial_sequence('public.todos', 'id'), greatest(1000, (select max(id) from public.todos)));
