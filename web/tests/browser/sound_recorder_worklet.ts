/// <reference types="audioworklet" />
/** Posts what its two inputs get, block by block: the microphone and what is played. */

class Recorder extends AudioWorkletProcessor implements AudioWorkletProcessorImpl {
  process(inputs: Float32Array[][]): boolean {
    this.port.postMessage(inputs.map(([first]) => first?.slice() ?? new Float32Array(128)));
    return true;
  }
}

registerProcessor("recorder", Recorder);
