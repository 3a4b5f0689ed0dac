-- The server's login, reachable inside this compose network only.
create role usergraph login noinherit password 'usergraph';
grant anon, authenticated to usergraph;
