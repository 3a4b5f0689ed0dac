-- "is distinct from" needs an operator = for each column's type, and json, xml and point have none: every update of a table
-- with such a column failed. *<> compares how rows are stored, whatever their types.
create or replace trigger users_announce_update
    after update on public.users
    for each row when (old.* *<> new.*)
    execute function public.announce_change();
