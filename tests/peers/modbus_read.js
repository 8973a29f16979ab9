// A Modbus client that knows nothing of us: reads registers and bits, writes one, asks for what is not there.
const ModbusRTU = require("modbus-serial");

async function main() {
  const [port, unit, inputs, coil, holding, value] = process.argv.slice(2).map(Number);
  const client = new ModbusRTU();
  await client.connectTCP("127.0.0.1", { port });
  client.setID(unit);
  client.setTimeout(3000);
  const out = {};
  // three requests at once: each answer must belong to its question
  const [a, b, c] = await Promise.all([
    client.readInputRegisters(0, inputs),
    client.readInputRegisters(0, 1),
    client.readCoils(coil, 1),
  ]);
  out.inputs = a.data;
  out.first = b.data;
  out.coil = c.data[0];
  await client.writeRegister(holding, value);
  await client.writeCoil(coil, true);
  out.holding = (await client.readHoldingRegisters(holding, 1)).data;
  out.beyond = await client.readInputRegisters(60000, 2).then(() => 0, (e) => e.modbusCode);
  client.setID(200);
  out.nobody = await client.readInputRegisters(0, 1).then(() => 0, (e) => e.modbusCode);
  console.log(JSON.stringify(out));
  client.close(() => process.exit(0));
}
main().catch((e) => { console.error(e); process.exit(1); });
