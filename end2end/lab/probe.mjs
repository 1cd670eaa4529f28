// Runs in a page before its own scripts and writes down what a person would have seen and heard, with times.
export function probe() {
  const Clock = Date; // A scenario may set another one.
  const seen = { frames: {}, audio: [], link: [], tiles: [], words: [], restarts: [], made: [], signaling: [], candidates: [], closed: [], connections: [] };
  window.__seen = seen;
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      seen.connections.push(this);
      seen.made.push(Clock.now());
      this.addEventListener('signalingstatechange', () => seen.signaling.push([Clock.now(), this.signalingState]));
    }

    addIceCandidate(candidate, ...more) {
      if (candidate?.candidate) seen.candidates.push(candidate.candidate);
      return super.addIceCandidate(candidate, ...more);
    }

    setRemoteDescription(description, ...more) {
      seen.candidates.push(...(description.sdp.match(/^a=candidate:.*$/gm) ?? []));
      return super.setRemoteDescription(description, ...more);
    }

    restartIce() {
      seen.restarts.push(Clock.now());
      super.restartIce();
    }
  };
  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args);
      this.addEventListener('close', () => seen.closed.push(Clock.now()));
    }
  };
  window.__unsettled = () => seen.connections.filter((pc) => !['stable', 'closed'].includes(pc.signalingState)).length;
  const watched = new WeakSet();
  const watch = (video, peer) => {
    watched.add(video);
    const next = () =>
      video.requestVideoFrameCallback(() => {
        (seen.frames[peer] ??= []).push(Clock.now());
        next();
      });
    next();
  };
  const note = (list, value) => {
    if (list.at(-1)?.[1] !== value) list.push([Clock.now(), value]);
  };
  setInterval(() => {
    for (const tile of document.querySelectorAll('[data-tile="peer"]')) {
      const video = tile.querySelector('video');
      if (video && !watched.has(video)) watch(video, tile.dataset.peer);
    }
    note(seen.link, document.querySelector('main[data-link]')?.dataset.link ?? 'out');
    const tiles = [...document.querySelectorAll('[data-tile="peer"]')];
    note(seen.tiles, tiles.map((tile) => `${tile.dataset.peer}:${tile.dataset.media}:${tile.querySelector('[data-trouble]')?.textContent.trim() ? 'trouble' : ''}`).sort().join(' '));
    note(seen.words, [...document.querySelectorAll('[data-trouble], [data-banner]')].map((one) => one.textContent.trim()).filter(Boolean).join(' | '));
  }, 50);
  let busy = false;
  const heardOn = new WeakMap();
  setInterval(async () => {
    if (busy) return;
    busy = true;
    let heard = 0;
    for (const pc of seen.connections) {
      if (pc.connectionState === 'closed') continue;
      // A connection that closes meanwhile may never answer.
      const late = new Promise((done) => setTimeout(done, 500, null));
      const reports = await Promise.race([pc.getStats(), late]);
      if (reports) {
        const sound = [...reports.values()].filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
        heardOn.set(pc, sound.reduce((sum, one) => sum + (one.totalSamplesReceived ?? 0) - (one.concealedSamples ?? 0), 0));
      }
      heard += heardOn.get(pc) ?? 0;
    }
    seen.audio.push([Clock.now(), heard]);
    busy = false;
  }, 100);
}
