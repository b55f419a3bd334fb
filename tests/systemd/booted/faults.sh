st() { nmesd status 2>&1 | head -1; }
# in a train: wait for it
train() { for i in $(seq 200); do nmesd status --json 2>/dev/null | grep -q '"state": "STIMULATING"' && return 0; sleep 0.1; done; echo "NO TRAIN"; }
ready() { for i in $(seq 100); do nmesd status --json 2>/dev/null | grep -q '"inhibits": \[\]' && return 0; sleep 0.2; done; echo "NOT READY: $(st)"; }
arm() { nmesd reset --operator A >/dev/null 2>&1; ready; nmesd arm --operator A --patient example --checked >/dev/null 2>&1 || echo "NOT ARMED $(st)"; }
echo "== upgrade while armed"; make install BUNDLE=wheels 2>&1 | tail -1
for who in engine daemon guard; do
  train
  case $who in
    engine) pid=$(nmesd status --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["engine_pid"])') ;;
    daemon) pid=$(systemctl show -p MainPID --value nmesd) ;;
    guard) pid=$(systemctl show -p MainPID --value nmesd-guard) ;;
  esac
  kill -9 $pid; sleep 6; echo "== $who killed: $(st)"; sleep 8; echo "   8 s later: $(nmesd status --json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["state"], d["trains"], d["guard"])')"
  arm
done
train; pid=$(systemctl show -p MainPID --value nmesd-guard); kill -STOP $pid; sleep 8; echo "== guard frozen 8 s, watchdog 3 s: $(systemctl show -p NRestarts --value nmesd-guard) restarts; $(st)"; 
arm; train; systemctl reload nmesd; sleep 5; echo "== reload: $(st)"; arm
train; nmesd stop; echo "== stop: $(st)"
arm; train; systemctl stop nmesd-guard; sleep 2; echo "== guard stopped: $(st)"; systemctl start nmesd-guard; sleep 2; arm
nmesd disarm --operator A; make install BUNDLE=wheels 2>&1 | tail -1; sleep 5; echo "== upgraded: $(st)"; ls /opt/nmesd-releases
journalctl -b -u nmesd-guard --no-pager | grep -E "zero verified|watchdog|Watchdog" | cut -c1-160 | tail -8
