// A foreign Modbus device: registers as its manual has them, gaps refused, set-point in holding register 100.
const ModbusRTU = require("modbus-serial");

const input = { 0: 215, 1: 0x4248, 2: 0x0000, 30: 0xffff, 31: 0xfff6, 50: 65535 };
const holding = { 100: 0, 101: 180 };
const refuse = (message) => Object.assign(new Error(message), { modbusErrorCode: 2 });
const vector = {
  getInputRegister: (at) => { if (!(at in input)) throw refuse("no such register"); return input[at]; },
  getHoldingRegister: (at) => { if (!(at in holding)) throw refuse("no such register"); return holding[at]; },
  getDiscreteInput: (at) => at === 4,
  setRegister: (at, value) => { if (!(at in holding)) throw refuse("no such register"); holding[at] = value; },
};
const server = new ModbusRTU.ServerTCP(vector, { host: "127.0.0.1", port: Number(process.argv[2]), unitID: 7 });
server.on("initialized", () => console.log("ready"));
server.on("socketError", () => {});
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
