// Drives the front with Supabase's own clients. It ends with status 1 at the
// first answer that they take for something else.
const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { PostgrestClient } = require("@supabase/postgrest-js");
const { StorageClient } = require("@supabase/storage-js");
const tus = require("tus-js-client");

const { URL_BASE: base, SERVICE_KEY, ANON_KEY, SECRET_KEY } = process.env;

function headers(key) {
  return key.startsWith("sb_")
    ? { apikey: key }
    : { apikey: key, Authorization: `Bearer ${key}` };
}

function rest(key, options) {
  return new PostgrestClient(`${base}/rest/v1`, { headers: headers(key), ...options });
}

async function functions() {
  const client = rest(SECRET_KEY);
  assert.deepEqual(await client.rpc("add", { a: 1, b: 2 }).then(summary), { status: 200, data: 3 });
  assert.deepEqual(await client.rpc("quiet").then(summary), { status: 204, data: null });
  assert.deepEqual(await client.rpc("pairs", { n: 2 }).then(summary), {
    status: 200,
    data: [{ x: 1 }, { x: 2 }],
  });
  assert.deepEqual(await client.rpc("pairs", { n: 1 }).single().then(summary), { status: 200, data: { x: 1 } });
  assert.deepEqual(await client.rpc("pairs", { n: 0 }).maybeSingle().then(summary), { status: 200, data: null });

  const raised = await client.rpc("refuse");
  assert.equal(raised.status, 400);
  assert.deepEqual(
    { code: raised.error.code, message: raised.error.message, details: raised.error.details, hint: raised.error.hint },
    { code: "P0001", message: "no", details: "why", hint: "do" },
  );
  const missing = await client.rpc("ad", { a: 1 });
  assert.equal(missing.status, 404);
  assert.equal(missing.error.code, "PGRST202");

  const other = await client.schema("other").rpc("where_am_i");
  assert.equal(other.data, "other");
  const closed = await client.schema("closed").rpc("where_am_i");
  assert.equal(closed.status, 406);
  assert.equal(closed.error.code, "PGRST106");
}

async function tables() {
  const owner = rest(SERVICE_KEY);
  const inserted = await owner.from("notes").insert([{ id: 1, v: "a" }, { id: 2, v: "b" }]).select();
  assert.equal(inserted.status, 201);
  assert.equal(inserted.data.length, 2);
  const read = await owner.from("notes").select("id,v").eq("v", "b").order("id", { ascending: false }).limit(1);
  assert.deepEqual(read.data, [{ id: 2, v: "b" }]);
  const hidden = await rest(ANON_KEY).from("notes").select();
  assert.deepEqual(summary(hidden), { status: 200, data: [] });
  const twice = await owner.from("notes").insert({ id: 1 });
  assert.equal(twice.status, 409);
  assert.equal(twice.error.code, "23505");
}

function summary({ status, data, error }) {
  assert.equal(error, null);
  return { status, data };
}

async function objects() {
  const client = new StorageClient(`${base}/storage/v1`, headers(SERVICE_KEY));
  good(await client.createBucket("files", { public: false, fileSizeLimit: 20 << 20 }));
  const again = await client.createBucket("files");
  assert.equal(again.error.message, "The resource already exists");
  assert.equal(good(await client.getBucket("files")).file_size_limit, 20 << 20);

  const files = client.from("files");
  const bytes = crypto.randomBytes(1000);
  const uploaded = good(await files.upload("dir/raw", bytes, { contentType: "image/png", metadata: { a: 1 } }));
  assert.equal(uploaded.fullPath, "files/dir/raw");
  assert.match(uploaded.id, /^[0-9a-f-]{36}$/);
  good(await files.upload("dir/blob", new Blob(["in a form"], { type: "text/plain" })));

  const duplicate = await files.upload("dir/raw", bytes);
  assert.equal(duplicate.error.message, "The resource already exists");
  assert.equal(duplicate.error.statusCode, "409");
  const refused = await new StorageClient(`${base}/storage/v1`, headers(ANON_KEY)).from("files").upload("x", bytes);
  assert.equal(refused.error.statusCode, "403");
  const large = await files.upload("large", Buffer.alloc((20 << 20) + 1));
  assert.equal(large.error.statusCode, "413");

  const blob = good(await files.download("dir/raw"));
  assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes);
  assert.equal(await good(await files.download("dir/blob")).text(), "in a form");
  const info = good(await files.info("dir/raw"));
  assert.equal(info.size, 1000);
  assert.equal(info.contentType, "image/png");
  assert.equal(info.bucketId, "files");
  assert.deepEqual(info.metadata, { a: 1 });
  assert.equal((await files.exists("dir/raw")).data, true);
  assert.equal((await files.exists("dir/none")).data, false);
  assert.ok((await files.download("dir/none")).error);
  assert.equal((await files.info("dir/none")).error.message, "Object not found");

  const listed = good(await files.list("dir", { sortBy: { column: "name", order: "asc" } }));
  assert.deepEqual(listed.map(({ name, metadata }) => [name, metadata.size]), [["blob", 9], ["raw", 1000]]);
  assert.equal(good(await files.list())[0].id, null);
  const first = good(await files.listV2({ limit: 1 }));
  assert.equal(first.objects[0].name, "dir/blob");
  assert.equal(first.hasNext, true);
  const second = good(await files.listV2({ limit: 1, cursor: first.nextCursor }));
  assert.equal(second.objects[0].name, "dir/raw");
  assert.equal(second.hasNext, false);

  const removed = good(await files.remove(["dir/raw", "dir/blob", "dir/none"]));
  assert.deepEqual(removed.map(({ name }) => name).sort(), ["dir/blob", "dir/raw"]);
  assert.deepEqual(good(await files.list("dir")), []);
}

function good({ data, error }) {
  assert.equal(error, null);
  return data;
}

// The second chunk of this upload is broken off by whoever runs this script.
async function resumable() {
  const bytes = crypto.randomBytes(13 << 20);
  await new Promise((resolve, reject) => {
    new tus.Upload(bytes, {
      endpoint: `${base}/storage/v1/upload/resumable`,
      headers: headers(SERVICE_KEY),
      chunkSize: 6 << 20,
      retryDelays: [0, 0, 0],
      uploadDataDuringCreation: true,
      metadata: { bucketName: "files", objectName: "resumed", contentType: "text/plain", cacheControl: "3600" },
      onError: reject,
      onSuccess: resolve,
    }).start();
  });
  const files = new StorageClient(`${base}/storage/v1`, headers(SERVICE_KEY)).from("files");
  const blob = good(await files.download("resumed"));
  assert.ok(Buffer.from(await blob.arrayBuffer()).equals(bytes), "the bytes differ");
}

async function main() {
  for (const part of [functions, tables, objects, resumable]) {
    await part();
    console.log(`${part.name}: good`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
