-- Notes to ask about in development. Reruns change nothing.
insert into public.notes (user_id, body)
select user_id::uuid, body from (values
    ('a0000000-0000-4000-8000-000000000001', 'Berlin: the night train leaves at 21:40 from platform 4'),
    ('a0000000-0000-4000-8000-000000000001', 'Berlin: Museum Island is open until 20:00 on Thursdays'),
    ('a0000000-0000-4000-8000-000000000001', 'The Analytical Engine weaves algebraical patterns'),
    ('b0000000-0000-4000-8000-000000000002', 'Berlin: the keys of the flat are with Carla')
) as seed (user_id, body)
where not exists (select from public.notes where notes.body = seed.body);
