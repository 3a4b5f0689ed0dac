"""FastAPI, PyJWT and Peewee, as their documentation shows: a dependency that verifies the token, a pool of connections.

There is no GraphQL and no row-level security: it answers what ../handwritten answers. Packages: Debian's, see ../../README.md.
"""
import os
from typing import Optional
from urllib.parse import urlsplit

import jwt
import peewee
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from playhouse.pool import PooledPostgresqlDatabase
from pydantic import BaseModel

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


class Project(peewee.Model):
    user_id = peewee.UUIDField()
    name = peewee.TextField()
    color = peewee.TextField()

    class Meta:
        database = db
        table_name = "projects"
        schema = "public"


class Todo(peewee.Model):
    user_id = peewee.UUIDField()
    project = peewee.ForeignKeyField(Project, null=True)
    title = peewee.TextField()
    done = peewee.BooleanField(constraints=[peewee.SQL("DEFAULT false")])
    created_at = peewee.DateTimeField(constraints=[peewee.SQL("DEFAULT now()")])

    class Meta:
        database = db
        table_name = "todos"
        schema = "public"


class Product(peewee.Model):
    id = peewee.TextField(primary_key=True)
    name = peewee.TextField(null=True)

    class Meta:
        database = db
        table_name = "products"
        schema = "public"


class Price(peewee.Model):
    id = peewee.TextField(primary_key=True)
    product = peewee.ForeignKeyField(Product, backref="prices", null=True)
    unit_amount = peewee.BigIntegerField(null=True)
    currency = peewee.TextField(null=True)

    class Meta:
        database = db
        table_name = "prices"
        schema = "public"


class Subscription(peewee.Model):
    id = peewee.TextField(primary_key=True)
    user = peewee.ForeignKeyField(User)
    price = peewee.ForeignKeyField(Price, null=True)
    status = peewee.TextField(null=True)

    class Meta:
        database = db
        table_name = "subscriptions"
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


class NewTodo(BaseModel):
    title: str
    projectId: Optional[int] = None


# FastAPI's page on Peewee says `def`, which runs on a thread. On the event loop it blocks, and takes half the CPU.
@app.get("/me")
async def me(user_id: str = Depends(current_user_id)):
    with db.connection_context():
        user = User.get_or_none(User.id == user_id)
    if user is None:
        raise HTTPException(status_code=404)
    return {"id": str(user.id), "fullName": user.full_name, "avatarUrl": user.avatar_url}


def todos_of(user_id, first, *columns):
    return Todo.select(*columns).where(Todo.user_id == user_id).order_by(Todo.created_at.desc(), Todo.id.desc()).limit(first + 1)


def page(nodes, first):
    return {"todos": {"nodes": nodes[:first], "pageInfo": {"hasNextPage": len(nodes) > first}}}


def plain(todo):
    return {"id": todo.id, "title": todo.title, "done": todo.done, "createdAt": todo.created_at}


@app.get("/todos")
async def todos(first: int, user_id: str = Depends(current_user_id)):
    with db.connection_context():
        return page([plain(todo) for todo in todos_of(user_id, first)], first)


@app.get("/todos/with-projects")
async def todos_with_projects(first: int, user_id: str = Depends(current_user_id)):
    with db.connection_context():
        found = todos_of(user_id, first, Todo, Project).join(Project, peewee.JOIN.LEFT_OUTER)
        nodes = [
            {**plain(todo), "project": todo.project and {"name": todo.project.name, "color": todo.project.color}}
            for todo in found
        ]
    return page(nodes, first)


@app.get("/plan")
async def plan(user_id: str = Depends(current_user_id)):
    with db.connection_context():
        found = (
            Subscription.select(Subscription, User, Price, Product)
            .join(User).switch(Subscription).join(Price).join(Product)
            .where(User.id == user_id).order_by(Subscription.id).limit(1).get()
        )
    product = {"id": found.price.product.id, "name": found.price.product.name}
    price = {"id": found.price.id, "unitAmount": found.price.unit_amount, "currency": found.price.currency, "product": product}
    nodes = [{"id": found.id, "status": found.status, "price": price}]
    return {"me": {"id": str(found.user.id), "fullName": found.user.full_name, "userSubscriptions": {"nodes": nodes}}}


@app.get("/products")
async def products(first: int, prices: int, user_id: str = Depends(current_user_id)):
    with db.connection_context():
        found = peewee.prefetch(Product.select().order_by(Product.id).limit(first), Price.select().order_by(Price.id))
        nodes = [
            {
                "id": product.id,
                "name": product.name,
                "prices": {
                    "nodes": [
                        {"id": price.id, "unitAmount": price.unit_amount, "currency": price.currency}
                        for price in product.prices[:prices]
                    ]
                },
            }
            for product in found
        ]
    return {"products": {"nodes": nodes}}


@app.post("/todos")
async def create_todo(new: NewTodo, user_id: str = Depends(current_user_id)):
    with db.connection_context():
        insert = Todo.insert(user_id=user_id, project=new.projectId, title=new.title).returning(Todo)
        todo = next(iter(insert.execute()))
    return {"createTodo": plain(todo)}
