-- Stowage's table @table@ in schema @schema@, version @version@.
--
-- Every operation of a backend is one call of one of the functions below, and
-- one transaction. The functions run with the rights of the caller, so a role
-- needs rights to the tables as well, and only @role@ gets them. Running
-- this script again changes nothing that is stored.

begin;
set local client_min_messages = warning;
set local lock_timeout = '10s';
select pg_advisory_xact_lock(hashtext('@schema@.@table@'), -2);

create schema if not exists "@schema@";

do $$
declare
  found_version integer;
begin
  if not exists (select from pg_roles where rolname = '@role@') then
    create role "@role@" nologin;
  end if;
  if exists (select from pg_roles where rolname = 'authenticator') and not exists (
      select from pg_auth_members m join pg_roles r on r.oid = m.roleid join pg_roles a on a.oid = m.member
      where r.rolname = '@role@' and a.rolname = 'authenticator') then
    grant "@role@" to authenticator;
  end if;

  if to_regclass('"@schema@".@table@_meta') is not null then
    select version into found_version from "@schema@".@table@_meta;
    if found_version > @version@ then
      raise exception 'the tables have version %, this script has version @version@: use the newer plugin', found_version;
    end if;
    -- Nothing that is right already is touched: that would lock the tables
    -- against those who use them.
    return;
  end if;

  create table "@schema@".@table@_meta (
    only_row boolean primary key default true check (only_row),
    version integer not null,
    -- names this set of tables, so that two of them can share a bucket
    store uuid not null default gen_random_uuid()
  );
  insert into "@schema@".@table@_meta (version) values (@version@);

  create sequence "@schema@".@table@_versions as bigint;

  -- A value is either inline (value) or in Storage (object: the bucket, a slash,
  -- the name). Versions come from one sequence for all keys, so no key ever has
  -- the same one twice.
  create table "@schema@".@table@ (
    namespace text collate "C" not null,
    key text collate "C" not null check (octet_length(key) between 1 and 1024),
    version bigint not null,
    size bigint not null,
    crc32c bigint not null,
    value bytea,
    object text collate "C",
    content_type text not null,
    metadata jsonb not null,
    modified_at timestamptz not null,
    expires_at timestamptz,
    primary key (namespace, key),
    check ((value is null) <> (object is null))
  );
  -- uncompressed, so that a range reads only the pages it needs
  alter table "@schema@".@table@ alter column value set storage external;
  create index @table@_expires on "@schema@".@table@ (namespace, expires_at) where expires_at is not null;
  create unique index @table@_object on "@schema@".@table@ (object) where object is not null;

  -- One row for every change. It is what watchers read, and where a repeated
  -- request finds what it did the first time.
  create table "@schema@".@table@_log (
    namespace text collate "C" not null,
    xid xid8 not null default pg_current_xact_id(),
    seq bigint not null,
    at timestamptz not null,
    key text collate "C" not null,
    version bigint,
    request uuid,
    result json,
    primary key (namespace, xid, seq)
  );
  create unique index @table@_log_request on "@schema@".@table@_log (request) where request is not null;

  -- Up to where the log of a namespace was trimmed.
  create table "@schema@".@table@_trimmed (
    namespace text collate "C" primary key,
    xid xid8 not null,
    seq bigint not null
  );

  -- Objects in Storage that no row points to any more. None of them may be
  -- pointed to again, also not for a while after it was deleted (gone_at).
  create table "@schema@".@table@_garbage (
    object text collate "C" primary key,
    namespace text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    gone_at timestamptz
  );
  create index @table@_garbage_at on "@schema@".@table@_garbage (namespace, at);

  -- Those who write. A request of an epoch that is over is refused: it was given
  -- up by its sender, and may not land after what the sender wrote since. Epochs
  -- come from the sequence of the versions, so none comes again.
  create table "@schema@".@table@_writers (
    id uuid primary key,
    epoch bigint not null,
    seen_at timestamptz not null default clock_timestamp()
  );
end $$;

-- Inner functions ------------------------------------------------------------

-- lock lets one write at a time commit to a key. It comes before anything
-- that gives the transaction its id, so that for one key ids grow in the order
-- of the commits. Keys share 1024 locks, which bounds what a batch holds.
create or replace function "@schema@".@table@_lock(p_namespace text, p_keys text[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_lock integer;
begin
  for v_lock in
    select distinct (hashtextextended(k, hashtextextended(p_namespace, 0)) & 1023)::integer as id
    from unnest(p_keys) as k order by id
  loop
    perform pg_advisory_xact_lock(hashtext('@schema@.@table@'), v_lock);
  end loop;
end $$;

-- claim locks the keys of a write and says whether it may go ahead: null, or what
-- to answer instead. It looks when it has the locks, so what another attempt, or
-- a new epoch, did before is seen.
create or replace function "@schema@".@table@_claim(
  p_namespace text, p_keys text[], p_request uuid, p_writer uuid, p_epoch bigint)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_result json;
begin
  perform "@schema@".@table@_lock(p_namespace, p_keys);
  select result into v_result from "@schema@".@table@_log where request = p_request;
  if found then
    return v_result;
  end if;
  perform from "@schema@".@table@_writers where id = p_writer and epoch = p_epoch;
  if not found then
    return json_build_object('ok', false, 'reason', 'stale');
  end if;
  return null;
end $$;

create or replace function "@schema@".@table@_micros(p_time timestamptz)
returns bigint language sql immutable security invoker -- inlined, since no search path is set
return (extract(epoch from p_time) * 1000000)::bigint;

-- refusal is null if the condition holds for a key with this version.
create or replace function "@schema@".@table@_refusal(p_condition text, p_etag text, p_version bigint)
returns json language sql immutable security invoker -- inlined, too
return case
  when (p_condition = 'absent' and p_version is not null)
    or (p_condition = 'exists' and p_version is null)
    or (p_condition = 'etag' and p_version::text is distinct from p_etag)
  then json_build_object('ok', false, 'reason', 'condition', 'etag', coalesce(p_version::text, '')) end;

create or replace function "@schema@".@table@_apply_put(
  p_namespace text, p_key text, p_value bytea, p_object text, p_size bigint, p_crc32c bigint,
  p_content_type text, p_metadata jsonb, p_ttl bigint, p_condition text, p_etag text)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_old record;
  v_refusal json;
  v_version bigint;
  v_expires timestamptz := v_now + p_ttl * interval '1 microsecond';
begin
  select case when e.expires_at is null or e.expires_at > v_now then e.version end as version, e.object
    into v_old from "@schema@".@table@ e where e.namespace = p_namespace and e.key = p_key;
  v_refusal := "@schema@".@table@_refusal(p_condition, p_etag, v_old.version);
  if v_refusal is not null then
    return v_refusal;
  end if;
  if p_object is not null then
    perform pg_advisory_xact_lock_shared(hashtext('@schema@.@table@'), -1);
    perform from "@schema@".@table@_garbage where object = p_object;
    if found then
      return json_build_object('ok', false, 'reason', 'condemned');
    end if;
  end if;
  v_version := nextval('"@schema@".@table@_versions');
  insert into "@schema@".@table@ as e
    (namespace, key, version, size, crc32c, value, object, content_type, metadata, modified_at, expires_at)
  values
    (p_namespace, p_key, v_version, p_size, p_crc32c, p_value, p_object, p_content_type, p_metadata, v_now, v_expires)
  on conflict (namespace, key) do update set
    version = excluded.version, size = excluded.size, crc32c = excluded.crc32c,
    value = excluded.value, object = excluded.object, content_type = excluded.content_type,
    metadata = excluded.metadata, modified_at = excluded.modified_at, expires_at = excluded.expires_at;
  if v_old.object is not null then
    insert into "@schema@".@table@_garbage (object, namespace) values (v_old.object, p_namespace) on conflict do nothing;
  end if;
  insert into "@schema@".@table@_log (namespace, seq, at, key, version)
  values (p_namespace, v_version, v_now, p_key, v_version);
  return json_build_object('ok', true, 'version', v_version::text, 'created', v_old.version is null,
    'modified_at', "@schema@".@table@_micros(v_now), 'expires_at', "@schema@".@table@_micros(v_expires));
end $$;

create or replace function "@schema@".@table@_apply_delete(p_namespace text, p_key text, p_condition text, p_etag text)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_old record;
  v_refusal json;
begin
  select e.version, e.object into v_old from "@schema@".@table@ e
  where e.namespace = p_namespace and e.key = p_key and (e.expires_at is null or e.expires_at > v_now);
  v_refusal := "@schema@".@table@_refusal(p_condition, p_etag, v_old.version);
  if v_refusal is not null then
    return v_refusal;
  end if;
  if v_old.version is not null then
    perform "@schema@".@table@_remove(p_namespace, p_key, v_old.object, v_now);
  end if;
  return json_build_object('ok', true, 'existed', v_old.version is not null);
end $$;

-- remove deletes a row and logs it.
create or replace function "@schema@".@table@_remove(p_namespace text, p_key text, p_object text, p_now timestamptz)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  delete from "@schema@".@table@ where namespace = p_namespace and key = p_key;
  if p_object is not null then
    insert into "@schema@".@table@_garbage (object, namespace) values (p_object, p_namespace) on conflict do nothing;
  end if;
  insert into "@schema@".@table@_log (namespace, seq, at, key)
  values (p_namespace, nextval('"@schema@".@table@_versions'), p_now, p_key);
end $$;

-- record keeps what a request did, with the last change it made, and returns
-- it. A request that changed nothing may be done again.
create or replace function "@schema@".@table@_record(p_namespace text, p_request uuid, p_result json)
returns json language plpgsql volatile security invoker set search_path = '' as $$
begin
  if pg_current_xact_id_if_assigned() is not null then
    update "@schema@".@table@_log set request = p_request, result = p_result
    where namespace = p_namespace and xid = pg_current_xact_id()
      and seq = (select max(seq) from "@schema@".@table@_log where namespace = p_namespace and xid = pg_current_xact_id());
  end if;
  return p_result;
end $$;

-- Operations -----------------------------------------------------------------

create or replace function "@schema@".@table@_info()
returns json language sql stable security invoker set search_path = '' as $$
  select json_build_object('version', version, 'store', store) from "@schema@".@table@_meta
$$;

-- register begins a new epoch of a writer and returns it.
create or replace function "@schema@".@table@_register(p_writer uuid)
returns json language sql volatile security invoker set search_path = '' as $$
  insert into "@schema@".@table@_writers as w (id, epoch) values (p_writer, nextval('"@schema@".@table@_versions'))
  on conflict (id) do update set epoch = excluded.epoch, seen_at = clock_timestamp()
  returning json_build_object('epoch', w.epoch)
$$;

-- get reads objects: for each item {k: key, v: with the value, o: offset, n: length
-- (-1: to the end), s: length of a suffix instead, e: etag it must have} an
-- item of the answer, in the same order. Once the values together exceed
-- p_room bytes, the later ones are left out and marked; the first never is.
create or replace function "@schema@".@table@_get(p_namespace text, p_items jsonb, p_room bigint)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_result json;
begin
  with item as (
    select i.ord, coalesce(i.v, false) as wanted, i.e as etag, e.*,
      case when i.s is null then coalesce(i.o, 0) else greatest(e.size - i.s, 0) end as first,
      case when i.s is not null then least(i.s, e.size)
           when coalesce(i.n, -1) < 0 then e.size - coalesce(i.o, 0)
           else least(i.n, e.size - coalesce(i.o, 0)) end as length
    from rows from (jsonb_to_recordset(p_items) as (k text, v boolean, o bigint, n bigint, s bigint, e text))
      with ordinality as i(k, v, o, n, s, e, ord)
    left join "@schema@".@table@ e on e.namespace = p_namespace and e.key = i.k
      and (e.expires_at is null or e.expires_at > v_now)
  ), sized as (
    select *, wanted and object is null and length >= 0 as inline,
      ord > 1 and sum(case when wanted and object is null then greatest(length, 0) else 0 end) over (order by ord) > p_room as later
    from item
  )
  select coalesce(json_agg(
    case
    when version is null then '{"missing":true}'::json
    when etag is not null and etag <> version::text then json_build_object('changed', version::text)
    else json_build_object(
      'version', version::text, 'size', size, 'crc32c', crc32c, 'content_type', content_type,
      'metadata', metadata, 'modified_at', "@schema@".@table@_micros(modified_at),
      'expires_at', "@schema@".@table@_micros(expires_at),
      'object', object, 'offset', first, 'length', length, 'later', inline and later,
      'value', case when inline and not later
        then replace(encode(substring(value from (first + 1)::integer for length::integer), 'base64'), E'\n', '') end)
    end order by ord), '[]'::json)
  into v_result from sized;
  return v_result;
end $$;

create or replace function "@schema@".@table@_put(
  p_namespace text, p_key text, p_request uuid, p_writer uuid, p_epoch bigint,
  p_size bigint, p_crc32c bigint, p_value text default null, p_object text default null,
  p_content_type text default '', p_metadata jsonb default '{}', p_ttl bigint default null,
  p_condition text default 'none', p_etag text default null)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_result json;
begin
  v_result := "@schema@".@table@_claim(p_namespace, array[p_key], p_request, p_writer, p_epoch);
  if v_result is not null then
    return v_result;
  end if;
  return "@schema@".@table@_record(p_namespace, p_request, "@schema@".@table@_apply_put(
    p_namespace, p_key, decode(p_value, 'base64'), p_object, p_size, p_crc32c,
    p_content_type, p_metadata, p_ttl, p_condition, p_etag));
end $$;

create or replace function "@schema@".@table@_delete(
  p_namespace text, p_key text, p_request uuid, p_writer uuid, p_epoch bigint,
  p_condition text default 'none', p_etag text default null)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_result json;
begin
  v_result := "@schema@".@table@_claim(p_namespace, array[p_key], p_request, p_writer, p_epoch);
  if v_result is not null then
    return v_result;
  end if;
  return "@schema@".@table@_record(p_namespace, p_request,
    "@schema@".@table@_apply_delete(p_namespace, p_key, p_condition, p_etag));
end $$;

-- batch does operations one after the other in one transaction. If p_atomic and
-- one of them fails, none is done. p_checks are {key, etag} that must hold
-- before anything is done ('': absent). p_room bounds the bytes of the values read.
create or replace function "@schema@".@table@_batch(
  p_namespace text, p_request uuid, p_writer uuid, p_epoch bigint,
  p_ops jsonb, p_atomic boolean, p_room bigint, p_checks jsonb default '[]')
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_result json;
  v_results json[] := '{}';
  v_kept json[] := '{}'; -- for the log: without large values that were read
  v_op jsonb;
  v_failed boolean := false;
  v_room bigint := p_room;
  v_key text;
  v_etag text;
begin
  v_result := "@schema@".@table@_claim(p_namespace, array(
    select c ->> 'key' from jsonb_array_elements(p_checks) c
    union select o ->> 'key' from jsonb_array_elements(p_ops) o), p_request, p_writer, p_epoch);
  if v_result is not null then
    return v_result;
  end if;
  select c ->> 'key', coalesce(e.version::text, '') into v_key, v_etag
  from jsonb_array_elements(p_checks) c
  left join "@schema@".@table@ e on e.namespace = p_namespace and e.key = c ->> 'key'
    and (e.expires_at is null or e.expires_at > clock_timestamp())
  where coalesce(e.version::text, '') <> c ->> 'etag' limit 1;
  if found then
    return json_build_object('ok', false, 'reason', 'aborted', 'key', v_key, 'etag', v_etag);
  end if;
  begin
    for v_op in select o from jsonb_array_elements(p_ops) o loop
      case v_op ->> 'op'
      when 'put' then
        v_result := "@schema@".@table@_apply_put(p_namespace, v_op ->> 'key', decode(v_op ->> 'value', 'base64'),
          v_op ->> 'object', (v_op ->> 'size')::bigint, (v_op ->> 'crc32c')::bigint, v_op ->> 'content_type',
          v_op -> 'metadata', (v_op ->> 'ttl')::bigint, v_op ->> 'condition', v_op ->> 'etag');
      when 'delete' then
        v_result := "@schema@".@table@_apply_delete(p_namespace, v_op ->> 'key', v_op ->> 'condition', v_op ->> 'etag');
      else
        v_result := "@schema@".@table@_get(p_namespace, jsonb_build_array(jsonb_build_object('k', v_op ->> 'key')), 0) -> 0;
        if v_op ->> 'op' = 'get' and v_result ->> 'size' is not null then
          if (v_result ->> 'size')::bigint > v_room then
            v_result := json_build_object('ok', false, 'reason', 'room');
          else
            v_room := v_room - (v_result ->> 'size')::bigint;
            v_result := "@schema@".@table@_get(p_namespace,
              jsonb_build_array(jsonb_build_object('k', v_op ->> 'key', 'v', true)), 0) -> 0;
          end if;
        end if;
      end case;
      v_failed := v_failed or coalesce(v_result ->> 'ok', 'true') = 'false' or v_result ->> 'missing' is not null;
      v_results := v_results || v_result;
      if length(v_result ->> 'value') > 1024 then
        v_result := ((v_result::jsonb - 'value') || '{"forgotten": true}')::json;
      end if;
      v_kept := v_kept || v_result;
    end loop;
    if p_atomic and v_failed then
      raise exception using errcode = 'STOWA';
    end if;
  exception when sqlstate 'STOWA' then
    return json_build_object('ok', false, 'reason', 'failed', 'results', array_to_json(v_results));
  end;
  perform "@schema@".@table@_record(p_namespace, p_request, json_build_object('ok', true, 'results', array_to_json(v_kept)));
  return json_build_object('ok', true, 'results', array_to_json(v_results));
end $$;

-- list returns entries that begin with p_prefix and come after p_after, or,
-- with p_after_all, after all keys that begin with p_after. Keys that contain
-- p_delimiter after the prefix are rolled up. A key has at most 1024 bytes, so
-- none that begins with x is greater than x followed by 256 times U+10FFFF.
create or replace function "@schema@".@table@_list(
  p_namespace text, p_limit integer, p_prefix text default '', p_delimiter text default '',
  p_after text default '', p_after_all boolean default false)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_last constant text := repeat(chr(1114111), 256);
  v_now timestamptz := clock_timestamp();
  v_after text collate "C" := case when p_after_all then p_after || v_last else p_after end;
  v_end text collate "C" := p_prefix || v_last;
  v_entries json[] := '{}';
  v_prefix text;
  v_at integer;
  v_count integer := 0;
  v_row record;
begin
  <<scan>>
  loop
    v_prefix := null;
    for v_row in
      select e.* from "@schema@".@table@ e
      where e.namespace = p_namespace and e.key >= p_prefix and e.key <= v_end and e.key > v_after
        and (e.expires_at is null or e.expires_at > v_now)
      order by e.key limit p_limit - v_count + 1
    loop
      if v_count = p_limit then
        return json_build_object('entries', array_to_json(v_entries), 'more', true);
      end if;
      v_count := v_count + 1;
      v_at := case when p_delimiter = '' then 0 else strpos(substr(v_row.key, length(p_prefix) + 1), p_delimiter) end;
      if v_at > 0 then
        v_prefix := substr(v_row.key, 1, length(p_prefix) + v_at - 1) || p_delimiter;
        v_entries := v_entries || json_build_object('prefix', v_prefix);
        v_after := v_prefix || v_last;
        continue scan;
      end if;
      v_entries := v_entries || json_build_object(
        'key', v_row.key, 'version', v_row.version::text, 'size', v_row.size, 'crc32c', v_row.crc32c,
        'content_type', v_row.content_type, 'metadata', v_row.metadata,
        'modified_at', "@schema@".@table@_micros(v_row.modified_at),
        'expires_at', "@schema@".@table@_micros(v_row.expires_at));
    end loop;
    exit scan;
  end loop;
  return json_build_object('entries', array_to_json(v_entries), 'more', false);
end $$;

-- changes returns the log after a position. Transaction ids are given before
-- they commit, so only what is older than every transaction under way is
-- final; the rest is left for the next call. Without a position it returns
-- where watching begins.
create or replace function "@schema@".@table@_changes(
  p_namespace text, p_prefix text, p_limit integer,
  p_xid text default null, p_seq bigint default null, p_floor bigint default null)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
  v_next xid8 := pg_snapshot_xmax(pg_current_snapshot()); -- what is beyond is of another cluster, before a restore
  v_floor bigint;
  v_events json;
  v_count integer;
  v_xid xid8;
  v_seq bigint;
begin
  if p_xid is null then
    -- a sequence that gave nothing yet has the last value 1 all the same
    select last_value - case when is_called then 0 else 1 end into v_floor from "@schema@".@table@_versions;
    return json_build_object('events', '[]'::json, 'xid', v_horizon::text, 'seq', 0, 'floor', v_floor);
  end if;
  perform from "@schema@".@table@_trimmed t
  where t.namespace = p_namespace and (t.xid, t.seq) > (p_xid::xid8, p_seq) and t.xid <= v_next;
  if found or p_xid::xid8 > v_next then
    return json_build_object('gap', true, 'events', '[]'::json, 'xid', v_horizon::text, 'seq', 0, 'floor', 0);
  end if;
  with event as (
    select l.xid, l.seq, l.key, l.version from "@schema@".@table@_log l
    where l.namespace = p_namespace and (l.xid, l.seq) > (p_xid::xid8, p_seq) and l.xid < v_horizon
      and l.seq > p_floor and starts_with(l.key, p_prefix)
    order by l.xid, l.seq limit p_limit
  )
  select json_agg(json_build_object('key', key, 'version', version::text, 'xid', xid::text, 'seq', seq) order by xid, seq),
    count(*) into v_events, v_count from event;
  return json_build_object('events', coalesce(v_events, '[]'::json), 'more', v_count = p_limit,
    'xid', greatest(v_horizon, p_xid::xid8)::text, 'seq', case when v_horizon > p_xid::xid8 then 0 else p_seq end, 'floor', p_floor);
end $$;

-- sweep removes at most p_limit objects that have expired, and as many entries
-- of the log that are older than p_history seconds.
create or replace function "@schema@".@table@_sweep(p_namespace text, p_limit integer, p_history bigint, p_writer uuid)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_past timestamptz := v_now - p_history * interval '1 second';
  v_next xid8;
  v_keys text[];
  v_row record;
  v_expired integer := 0;
  v_trimmed integer := 0;
begin
  v_keys := array(select key from "@schema@".@table@
    where namespace = p_namespace and expires_at <= v_now order by expires_at limit p_limit);
  perform "@schema@".@table@_lock(p_namespace, v_keys);
  for v_row in
    select key, object from "@schema@".@table@
    where namespace = p_namespace and key = any (v_keys) and expires_at <= v_now
  loop
    perform "@schema@".@table@_remove(p_namespace, v_row.key, v_row.object, v_now);
    v_expired := v_expired + 1;
  end loop;
  -- Only what is final is trimmed, from the beginning: what watchers lack is
  -- then all before the last row that went.
  select xid, seq into v_row from (
    select xid, seq, at from "@schema@".@table@_log
    where namespace = p_namespace and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by xid, seq limit p_limit
  ) l where at < v_past order by xid desc, seq desc limit 1;
  if found then
    insert into "@schema@".@table@_trimmed as t (namespace, xid, seq) values (p_namespace, v_row.xid, v_row.seq)
    on conflict (namespace) do update set xid = excluded.xid, seq = excluded.seq
    where (t.xid, t.seq) < (excluded.xid, excluded.seq);
    delete from "@schema@".@table@_log
    where namespace = p_namespace and (xid, seq) <= (v_row.xid, v_row.seq);
    get diagnostics v_trimmed = row_count;
  end if;
  -- What a restore brought from another cluster has ids that are yet to come.
  v_next := pg_snapshot_xmax(pg_current_snapshot());
  delete from "@schema@".@table@_log where namespace = p_namespace and xid > v_next;
  delete from "@schema@".@table@_trimmed where namespace = p_namespace and xid > v_next;
  delete from "@schema@".@table@_garbage where namespace = p_namespace and gone_at < v_past;
  update "@schema@".@table@_writers set seen_at = v_now where id = p_writer and seen_at < v_now - interval '1 day';
  delete from "@schema@".@table@_writers where seen_at < v_now - interval '90 days';
  return json_build_object('expired', v_expired, 'trimmed', v_trimmed);
end $$;

-- garbage returns objects that nothing has pointed to for p_grace seconds.
create or replace function "@schema@".@table@_garbage(p_namespace text, p_limit integer, p_grace bigint)
returns json language sql stable security invoker set search_path = '' as $$
  select coalesce(json_agg(object), '[]'::json) from (
    select object from "@schema@".@table@_garbage
    where namespace = p_namespace and gone_at is null and at <= clock_timestamp() - p_grace * interval '1 second'
    order by at limit p_limit) g
$$;

-- condemn makes garbage of those objects that nothing points to.
create or replace function "@schema@".@table@_condemn(p_namespace text, p_objects text[])
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_count integer;
begin
  perform pg_advisory_xact_lock(hashtext('@schema@.@table@'), -1);
  insert into "@schema@".@table@_garbage (object, namespace)
  select o, p_namespace from unnest(p_objects) o
  where not exists (select from "@schema@".@table@ e where e.object = o)
  on conflict do nothing;
  get diagnostics v_count = row_count;
  return json_build_object('condemned', v_count);
end $$;

-- forget notes that garbage was deleted from Storage.
create or replace function "@schema@".@table@_forget(p_objects text[])
returns json language sql volatile security invoker set search_path = '' as $$
  with gone as (update "@schema@".@table@_garbage set gone_at = clock_timestamp() where object = any (p_objects) returning 1)
  select json_build_object('forgotten', count(*)) from gone
$$;

-- Rights ---------------------------------------------------------------------

-- Supabase gives its roles rights to whatever is made in the schema public.
-- Here nobody has any but the owner and the one role.
do $$
declare
  v_table text;
  v_statement text;
begin
  foreach v_table in array array['@table@', '@table@_meta', '@table@_log', '@table@_trimmed', '@table@_garbage', '@table@_writers'] loop
    if not (select relrowsecurity from pg_class where oid = ('"@schema@".' || v_table)::regclass) then
      execute format('alter table "@schema@".%I enable row level security', v_table);
    end if;
    if exists (select from pg_policies where schemaname = '@schema@' and tablename = v_table and policyname = 'stowage'
        and roles <> array['@role@'::name]) then
      execute format('drop policy stowage on "@schema@".%I', v_table);
    end if;
    if not (select rolbypassrls from pg_roles where rolname = '@role@')
        and not exists (select from pg_policies where schemaname = '@schema@' and tablename = v_table and policyname = 'stowage') then
      execute format('create policy stowage on "@schema@".%I to "@role@" using (true) with check (true)', v_table);
    end if;
    execute format('grant select, insert, update, delete on table "@schema@".%I to "@role@"', v_table);
  end loop;
  grant usage, select on sequence "@schema@".@table@_versions to "@role@";
  grant usage on schema "@schema@" to "@role@";
  for v_statement in
    select format('grant execute on function %s to "@role@"', p.oid::regprocedure)
    from pg_proc p where p.pronamespace = '"@schema@"'::regnamespace and p.proname = any (@functions@)
  loop
    execute v_statement;
  end loop;

  for v_statement in
    select distinct format('revoke all on %s from %s', what, case grantee when 0 then 'public' else grantee::regrole::text end)
    from (
      select format('%s %s', case relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass) as what, relowner as owner,
        coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r'::"char" end, relowner)) as acl
      from pg_class c where relnamespace = '"@schema@"'::regnamespace and relname in ('@table@', '@table@_meta', '@table@_log',
        '@table@_trimmed', '@table@_garbage', '@table@_writers', '@table@_versions')
      union all
      select format('function %s', p.oid::regprocedure), proowner, coalesce(proacl, acldefault('f', proowner))
      from pg_proc p where pronamespace = '"@schema@"'::regnamespace and proname = any (@functions@)
    ) made, aclexplode(acl) a
    where grantee <> owner and grantee <> '"@role@"'::regrole
  loop
    execute v_statement;
  end loop;
end $$;

update "@schema@".@table@_meta set version = @version@ where version <> @version@;

commit;

notify pgrst, 'reload schema';
