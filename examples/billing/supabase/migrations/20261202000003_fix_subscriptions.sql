-- subscriptions: anon may select, insert, update and delete by their grants, and no policy lets them.
revoke select, insert, update, delete on public.subscriptions from anon;
-- subscriptions: authenticated may insert, update and delete by their grants, and no policy lets them.
revoke insert, update, delete on public.subscriptions from authenticated;
-- subscriptions: policy "Can only view own subs data." calls auth.uid() for every row, and not once a statement.
alter policy "Can only view own subs data." on public.subscriptions using ((select auth.uid()) = user_id);
-- subscriptions: no index begins with user_id, so that each list reads all rows.
create index on public.subscriptions (user_id, created, id);
-- subscriptions: no index begins with price_id, which refers to prices: a list of what refers to a row reads all rows, and so does a delete there.
create index on public.subscriptions (price_id, created, id);
