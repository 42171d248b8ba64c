"""Statements of many forms over the tables of `generated_queries`, which the engine accepts."""

FORMS = [
    (
        "select id, row_number() over (order by customer) a, row_number() over (order by "
        "kind) b, lag(id) over (order by amount) c from orders"
    ),
    (
        "select kind, customer, sum(amount) from orders group by grouping sets "
        "((kind),(customer),())"
    ),
    "select kind, sum(amount) s from orders group by rollup(1)",
    "select kind k, customer c, count(*) from orders group by cube(1, c)",
    "select distinct on (customer) id from orders order by customer, amount",
    "select distinct on (customer) id, kind from orders",
    (
        "select o.id, c.score from orders o asof join customers c on "
        "o.customer=c.customer and o.amount>=c.score"
    ),
    ("select o.id, c.score from orders o asof left join customers c using (customer, id)"),
    (
        "select o.id, c.score from (select id from orders order by amount) o positional "
        "join customers c"
    ),
    "unpivot orders on id, amount into name n value v",
    "select * from (unpivot orders on id, amount into name n value v)",
    "select [x + o.amount for x in [o.id, o.kind] if x > o.customer] l from orders o",
    "select orders.id from (select amount as orders, id, kind from orders) orders",
    "select t.x from (select customer as x, struct_pack(x := id) as t from orders) t",
    "select t.x from (select struct_pack(x := id) as t from orders) q",
    (
        "select (with c as (select max(score) m from customers where customers.id = o.id) "
        "select m from c) z from orders o"
    ),
    (
        "select id from orders o where amount = (select max(amount) from orders where "
        "customer = o.customer)"
    ),
    (
        "select id from orders where amount > all (select score from customers where "
        "score is not null)"
    ),
    (
        "select o.id, l.m from orders o left join lateral (select max(score) m from "
        "customers c where c.customer=o.customer) l on true"
    ),
    (
        "select id, (select list(score order by region) from customers c where c.id=o.id) "
        "l from orders o"
    ),
    ("select array(select score from customers c where c.id=o.id order by region) l from orders o"),
    ("select customer c, sum(amount) s from orders group by c order by sum(id) desc, c limit 2"),
    "select customer, sum(amount) s from orders group by all having s > 3",
    (
        "select id as customer, customer as id from orders where id > 2 order by "
        "customer, amount limit 3"
    ),
    "select amount as id, count(*) from orders group by id, amount",
    "select id+1 as id, id*2 as q from orders",
    (
        "select -id as amount, amount as z from orders where amount > 1 qualify "
        "row_number() over (order by amount) < 3"
    ),
    "from orders select id where kind > 1",
    "select * from orders natural join customers",
    "select id, customer, score from orders full join customers using (id, customer)",
    "select orders.id, customers.id, id from orders right join customers using (id)",
    "select a.id from orders a join orders b using (id) join customers c using (id)",
    "select customer from orders intersect all select customer from customers",
    (
        "(select customer from orders order by amount limit 2) union all (select region "
        "from customers order by score limit 1)"
    ),
    "select * from (select id from orders order by amount) limit 2",
    (
        "select first(id) f, last(kind) l, any_value(amount) a from (select * from orders "
        "order by customer)"
    ),
    ("select first(id) from (select id, row_number() over (order by amount) r from orders)"),
    "select string_agg(id, ',' order by amount) s from orders",
    ("select quantile_cont(amount, 0.5) q, mode(kind) m, arg_min(id, amount) from orders"),
    (
        "select max(id) filter (where kind = 1) over (partition by customer order by "
        "amount rows between 1 preceding and current row) m from orders"
    ),
    ("select nth_value(id, kind) over (order by amount) from orders where kind between 1 and 3"),
    "select tag, boss from hr.staff, unnest(tags) t(tag)",
    "select unnest(tags) as tag, boss from hr.staff",
    "select boss, (select sum(x) from unnest(tags) u(x)) s from hr.staff",
    "select t from (select unnest(tags) t, boss from hr.staff) where t > 2",
    "select boss, g from hr.staff, generate_series(1, boss) s(g)",
    "select boss, range from hr.staff, range(boss)",
    "select unnest(range(kind)) r, id from orders",
    (
        "with recursive r as (select id, amount from orders where kind = 1 union select "
        "o.id, o.amount from orders o join r on o.customer = r.id) select id from r"
    ),
    (
        "with recursive r(n) as (select 1 union all select n+1 from r where n < (select "
        "max(kind) from orders)) select * from r"
    ),
    (
        "select coalesce(c.score, o.amount) x from orders o left join customers c on "
        "o.id=c.id and c.region>1"
    ),
    ("select exists(select 1 from customers c where c.id=o.id and c.score>2) e from orders o"),
    "select o.id in (select id from customers where region = o.kind) x from orders o",
    "select (o.id, o.kind) in (select (id, region) from customers) x from orders o",
    "select case kind when 1 then id when customer then amount end x from orders",
    (
        "select nullif(id, kind) a, ifnull(amount, 3) b, greatest(id, kind) c, id is "
        "distinct from kind d from orders"
    ),
    "select orders from orders",
    "select count(orders) c from orders",
    "select columns('id|kind') from orders",
    "select min(columns(*)) from orders",
    "select * from orders where columns('id|kind') > 1",
    "select * like 'i%' from orders",
    "select orders.* from orders join customers using (id)",
    (
        "select date_trunc(case when kind=1 then 'year' else 'month' end, date "
        "'2020-05-05' + id) d from orders"
    ),
    (
        "select u, date_trunc(u, date '2020-05-05') d from (select case when kind=1 then "
        "'year' else 'month' end as u from orders)"
    ),
    (
        "select date_part(u, date '2020-05-05') d, date_diff(u, date '2019-01-01', date "
        "'2020-05-05') f, extract('month' from date '2020-01-01') from (select case when "
        "kind=1 then 'year' else 'month' end as u from orders)"
    ),
    (
        "select list_filter([id, kind], lambda x: x > amount) f, list_reduce([id,kind,1], "
        "lambda a, b: coalesce(a,0) + coalesce(b,customer)) r from orders"
    ),
    "select list_transform([1,2], lambda id: id + kind) from orders",
    ("select json_extract(to_json({'id': id}), '$.id') j, to_json(orders) k from orders"),
    ("select j -> 'id' v, (j ->> '$.kind') w from (select to_json(orders) j from orders)"),
    "select len(j -> 'id') v from (select to_json(orders) j from orders)",
    "select id from orders limit (select max(kind) from orders)",
    (
        "select id from orders order by (select max(score) from customers c where c.id = "
        "orders.kind), id limit 2"
    ),
    ("select id from orders group by id having count(*) > (select min(score) from customers)"),
    (
        "select sum(amount) over w a, count(*) over (w rows 1 preceding) b from orders "
        "window w as (partition by kind order by customer)"
    ),
    "select x: id, y: kind from orders",
    "select id from orders using sample 100%",
    "select * from (values (1, (select max(id) from orders))) t(a,b)",
    "select b from (select id a, (select kind) b from orders)",
    "select id from orders union by name select score, id from customers",
    "select t.* from (select id, kind from orders) t(a) where a > 1",
    "select id id, kind id from orders order by id",
    "select k_1 from (select id k, kind k from orders)",
    "select try_cast(id as varchar) || kind::varchar s from orders",
    "select map {'a': id}['a'] m, {'id': kind}.id s, [id, kind][1] e from orders",
    "select sum(sum(amount)) over (order by kind) s, kind from orders group by kind",
    "select rank() over (order by sum(amount)) r from orders group by kind",
    "select grouping(kind) g, kind from orders group by rollup(kind)",
    "select id from orders semi join customers using (id)",
    "select id from orders anti join customers on orders.kind = customers.region",
    "select z from orders, lateral (select amount + 1 as z where kind > 1)",
    "select id from orders where row(id, kind) > row(2, 2)",
    "select getvariable('x') v, id from orders",
    "select list_sort(list(id)) l, histogram(kind) h from orders",
    "select approx_count_distinct(kind) a, entropy(amount) e from orders",
    "select max(id, 2) m, min_by(kind, amount, 2) n from orders",
    (
        "select id from (select id, kind from orders) where kind in (select unnest(tags) "
        "from hr.staff)"
    ),
    (
        "select customer, (select count(*) from customers where customer = "
        "orders.customer) n from orders"
    ),
]
