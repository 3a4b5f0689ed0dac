"""FastAPI, PyJWT and Peewee, as their documentation shows: a dependency that verifies the token, a pool of connections.

It answers GET /me: there is no GraphQL and no row-level security. Packages: Debian's, see ../../README.md.
"""
import os
from urllib.parse import urlsplit

import jwt
import peewee
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from playhouse.pool import PooledPostgresqlDatabase

url = urlsplit(os.environ["DATABASE_URL"])
db = PooledPostgresqlDatabase(
    url.path[1:], host=url.hostname, port=url.port, user=url.username, password=url.password,
    max_connections=int(os.environ["POOL"]), timeout=10,
)


class User(peewee.Model):
    id = peewee.UUIDField(primary_key=True)
    full_name = peewee.TextField(null=True)
    avatar_url = peewee.TextField(null=True)

    class Meta:
        database = db
        table_name = "users"
        schema = "public"


app = FastAPI()
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")


async def current_user_id(token: str = Depends(oauth2_scheme)):
    try:
        claims = jwt.decode(
            token, os.environ["JWT_SECRET"], algorithms=["HS256"],
            audience="authenticated", issuer=os.environ["JWT_ISSUER"],
        )
    except jwt.PyJWTError:
        raise HTTPException(status_code=401, detail="Could not validate credentials")
    return claims["sub"]


# FastAPI's page on Peewee says `def`, which runs on a thread. On the event loop it blocks, and takes half the CPU.
@app.get("/me")
async def me(user_id: str = Depends(current_user_id)):
    with db.connection_context():
        user = User.get_or_none(User.id == user_id)
    if user is None:
        raise HTTPException(status_code=404)
    return {"id": str(user.id), "fullName": user.full_name, "avatarUrl": user.avatar_url}
