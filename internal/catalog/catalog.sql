-- What the catalog says of each table and view outside PostgreSQL's own schemas, as one JSON array. Names come as they are
-- stored, without quotes; types and expressions as PostgreSQL prints them with an empty search_path.
with roles as (
    select rolname as name, oid from pg_roles where rolname in ('anon', 'authenticated')
), tables as (
    select c.*, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
), columns as (
    select a.attrelid, a.attnum, a.attname as name,
        format_type(a.atttypid, a.atttypmod) as type,
        format_type(base.oid, null) as base,
        t.typtype = 'd' as domain,
        case when element.oid is not null then format_type(element.oid, null) end as element,
        case coalesce(element.typtype, base.typtype) when 'c' then 'composite' when 'e' then 'enum' when 'r' then 'range' when 'm' then 'range' when 'p' then 'pseudo' else 'base' end as kind,
        (select json_agg(json_build_object('value', enumlabel) order by enumsortorder) from pg_enum where enumtypid = coalesce(element.oid, base.oid)) as enum,
        a.attnotnull or t.typnotnull as not_null,
        pg_get_expr(d.adbin, d.adrelid) as default,
        a.attidentity <> '' as identity,
        a.attidentity = 'a' as identity_always,
        a.attgenerated <> '' as generated,
        col_description(a.attrelid, a.attnum) as comment,
        (select json_object_agg(r.name, json_build_object(
            'select', has_column_privilege(r.oid, a.attrelid, a.attnum, 'select'),
            'insert', has_column_privilege(r.oid, a.attrelid, a.attnum, 'insert'),
            'update', has_column_privilege(r.oid, a.attrelid, a.attnum, 'update'))) from roles r) as grants
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    -- A domain over a domain ends at the first type that is none.
    join lateral (
        with recursive bases as (
            select t.oid, t.typtype, t.typbasetype, t.typelem, t.typcategory
            union all
            select b.oid, b.typtype, b.typbasetype, b.typelem, b.typcategory from bases join pg_type b on b.oid = bases.typbasetype where bases.typtype = 'd'
        ) select * from bases where typtype <> 'd'
    ) base on true
    left join pg_type element on element.oid = base.typelem and base.typcategory = 'A'
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped
)
select coalesce(json_agg(json_build_object(
    'schema', c.nspname,
    'name', c.relname,
    'kind', case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end,
    'partition', c.relispartition,
    'comment', obj_description(c.oid, 'pg_class'),
    'rls', c.relrowsecurity,
    'security_invoker', exists (select from unnest(c.reloptions) o where o ~* '^security_invoker=(true|on|1|yes)$'),
    'columns', (select json_agg(to_json(columns) order by attnum) from columns where attrelid = c.oid),
    'primary_key', (select json_agg(a.attname order by k.at) from pg_index i, unnest(i.indkey) with ordinality k (attnum, at) join pg_attribute a on a.attnum = k.attnum
        where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid and k.at <= i.indnkeyatts),
    'foreign_keys', (select json_agg(json_build_object(
            'name', f.conname,
            'columns', (select json_agg(attname order by at) from unnest(f.conkey) with ordinality k (attnum, at) join pg_attribute a using (attnum) where a.attrelid = f.conrelid),
            'schema', fn.nspname,
            'table', fc.relname,
            'references', (select json_agg(attname order by at) from unnest(f.confkey) with ordinality k (attnum, at) join pg_attribute a using (attnum) where a.attrelid = f.confrelid)
        ) order by f.conname)
        from pg_constraint f join pg_class fc on fc.oid = f.confrelid join pg_namespace fn on fn.oid = fc.relnamespace
        -- Constraints below another one are those of partitions, on either side.
        where f.conrelid = c.oid and f.contype = 'f' and f.conparentid = 0),
    'indexes', (select json_agg(json_build_object(
            'name', ic.relname,
            'columns', (select json_agg(coalesce(a.attname, '') order by k.at) from unnest(i.indkey) with ordinality k (attnum, at)
                left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum where k.at <= i.indnkeyatts),
            'unique', i.indisunique,
            'partial', i.indpred is not null,
            'ordered', am.amname = 'btree'
        ) order by ic.relname)
        from pg_index i join pg_class ic on ic.oid = i.indexrelid join pg_am am on am.oid = ic.relam where i.indrelid = c.oid and i.indisvalid),
    'checks', (select json_agg(pg_get_expr(k.conbin, k.conrelid) order by k.conname) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c'),
    'policies', (select json_agg(json_build_object(
            'name', p.polname,
            'permissive', p.polpermissive,
            'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
            'roles', (select json_agg(r.name) from roles r where 0 = any (p.polroles) or exists (select from unnest(p.polroles) granted where granted <> 0 and pg_has_role(r.oid, granted, 'usage'))),
            'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(p.polwithcheck, p.polrelid)
        ) order by p.polname) from pg_policy p where p.polrelid = c.oid),
    'usage', (select json_agg(r.name) from roles r where has_schema_privilege(r.oid, c.relnamespace, 'usage')),
    'delete', (select json_agg(r.name) from roles r where has_table_privilege(r.oid, c.oid, 'delete')),
    'to_public', (select json_agg(distinct lower(privilege_type)) from aclexplode(c.relacl) where grantee = 0)
) order by c.nspname, c.relname), '[]') from tables c
