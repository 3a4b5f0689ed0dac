-- products: anon, authenticated may insert, update and delete by their grants, and no policy lets them.
revoke insert, update, delete on public.products from anon, authenticated;
-- prices: anon, authenticated may insert, update and delete by their grants, and no policy lets them.
revoke insert, update, delete on public.prices from anon, authenticated;
-- prices: no index begins with product_id, which refers to products: a list of what refers to a row reads all rows, and so does a delete there.
create index on public.prices (product_id, id);
