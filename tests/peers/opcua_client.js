// An OPC UA client that knows nothing of us. argv[2]: JSON {url, folder, jobs: [{policy, mode, cert?, key?, user?, password?,
// userCert?, userKey?, full?}], nodes: {...}}. Prints one JSON line: what each job saw, or the error that it met.
const fs = require("fs");
const path = require("path");
const opcua = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const plan = JSON.parse(process.argv[2]);
const NS = "urn:iiot-testbed:devices";
const id = (session, text) => opcua.resolveNodeId(`ns=${session.index};s=${text}`);

function token(job) {
  if (job.user) return { type: opcua.UserTokenType.UserName, userName: job.user, password: job.password };
  if (job.userCert) {
    const certificateData = Buffer.from(fs.readFileSync(job.userCert, "ascii").replace(/-----[^-]+-----|\s/g, ""), "base64");
    return { type: opcua.UserTokenType.Certificate, certificateData, privateKey: fs.readFileSync(job.userKey, "ascii") };
  }
  return undefined;
}

async function open(job, manager) {
  const options = {
    securityPolicy: opcua.SecurityPolicy[job.policy],
    securityMode: opcua.MessageSecurityMode[job.mode],
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0, initialDelay: 50, maxDelay: 50 },
    transportTimeout: 8000,
    clientCertificateManager: manager,
    applicationUri: "urn:test:scada",
    applicationName: "SCADA",
  };
  if (job.cert) Object.assign(options, { certificateFile: job.cert, privateKeyFile: job.key });
  const client = opcua.OPCUAClient.create(options);
  await client.connect(plan.url);
  try {
    return [client, await client.createSession(token(job))];
  } catch (error) {
    await client.disconnect();
    throw error;
  }
}

async function read(session, text) {
  const nodeId = id(session, text);
  const value = await session.read({ nodeId, attributeId: opcua.AttributeIds.Value });
  return { value: value.value.value, status: value.statusCode.name, t: value.sourceTimestamp };
}

async function tree(session, start) {
  const nodeId = start;
  const found = await session.browse({ nodeId, browseDirection: 0, resultMask: 63, referenceTypeId: "HierarchicalReferences", includeSubtypes: true });
  return Object.fromEntries(found.references.map((r) => [r.browseName.name, r.nodeId]));
}

async function call(session, object, method, ...args) {
  const inputArguments = args.map((value) => ({ dataType: opcua.DataType.Double, value }));
  let result;
  try {
    result = await session.call({ objectId: id(session, object), methodId: id(session, method), inputArguments });
  } catch (error) {
    return { status: String(error.message).match(/Bad\w+/)[0] };
  }
  return { status: result.statusCode.name, out: (result.outputArguments || []).map((v) => v.value) };
}

async function everything(session, out) {
  const n = plan.nodes;
  const machines = (await tree(session, "RootFolder")).Objects && (await tree(session, "ObjectsFolder")).Machines;
  out.machines = Object.keys(await tree(session, machines));
  const channel = await tree(session, id(session, n.channel));
  out.properties = Object.keys(channel).sort();
  const unit = (await session.read({ nodeId: channel.EngineeringUnits, attributeId: 13 })).value.value;
  const range = (await session.read({ nodeId: channel.EURange, attributeId: 13 })).value.value;
  out.unit = [unit.unitId, unit.displayName.text, unit.namespaceUri];
  out.range = [range.low, range.high];
  out.read = await read(session, n.channel);
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 50, requestedLifetimeCount: 600, requestedMaxKeepAliveCount: 20, publishingEnabled: true,
  });
  const heard = [];
  const events = [];
  const item = await subscription.monitor(
    { nodeId: id(session, n.channel), attributeId: 13 }, { samplingInterval: 0, queueSize: 1000, discardOldest: true }, opcua.TimestampsToReturn.Both);
  item.on("changed", (v) => heard.push([v.value.value, v.sourceTimestamp.getTime()]));
  const filter = opcua.constructEventFilter(["EventType", "Message", "Severity", "SourceName", "Time"]);
  const bell = await subscription.monitor(
    { nodeId: opcua.resolveNodeId("Server"), attributeId: opcua.AttributeIds.EventNotifier },
    { samplingInterval: 0, queueSize: 100, discardOldest: true, filter }, opcua.TimestampsToReturn.Both);
  bell.on("changed", (fields) => events.push(fields.map((f) => (f.value && f.value.text !== undefined ? f.value.text : f.value))));
  console.error("listening");
  for (let i = 0; i < 100 && (heard.length < n.expect || events.length < 1); i++) await new Promise((r) => setTimeout(r, 50));
  out.heard = heard;
  out.events = events;
  const now = new Date();
  const history = await session.readHistoryValue(id(session, n.channel), new Date(now.getTime() - 600000), new Date(now.getTime() + 600000));
  out.history = history.historyData.dataValues.map((v) => [v.value.value, v.sourceTimestamp.getTime()]);
  await subscription.terminate();
}

async function main() {
  const manager = new OPCUACertificateManager({ rootFolder: path.join(plan.folder, "pki"), automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const results = [];
  for (const job of plan.jobs) {
    const out = { job: `${job.policy} ${job.mode}` };
    try {
      const [client, session] = await open(job, manager);
      try {
        session.index = (await session.readNamespaceArray()).indexOf(NS);
        out.channel = await read(session, plan.nodes.channel);
        out.call = await call(session, plan.nodes.object, plan.nodes.method, 0.5);
        const writing = { nodeId: id(session, plan.nodes.channel), attributeId: 13, value: { value: { dataType: "Double", value: 1 } } };
        out.write = (await session.write(writing)).name;
        if (job.full) await everything(session, out);
      } finally {
        await session.close();
        await client.disconnect();
      }
    } catch (error) {
      out.error = String(error.message || error).split("\n")[0];
    }
    results.push(out);
  }
  console.log(JSON.stringify(results));
  process.exit(0);
}
main().catch((e) => { console.error(e); process.exit(1); });
