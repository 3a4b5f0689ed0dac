alter role authenticator password 'authenticator'; -- reachable inside this compose network only
