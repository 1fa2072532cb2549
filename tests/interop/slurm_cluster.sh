#!/bin/bash
# A Slurm of its own for a test: one controller, one node, everything in a folder.
#
#   cluster.sh start FOLDER    writes the configuration and starts it; SLURM_CONF=FOLDER/slurm.conf
#   cluster.sh stop FOLDER
#
# It runs as root: slurmd starts jobs as other users.
set -eu
folder=$(cd "$2" && pwd)
export SLURM_CONF=$folder/slurm.conf

# Two that nobody has, below those that the system gives to whoever asks for any: none of them may be
# taken before Slurm is there.
free_ports() {
    python3 -c '
import random, socket
found = []
while len(found) < 2:
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(10000, 32000)))
        found.append(s)
    except OSError:
        pass
print(*(s.getsockname()[1] for s in found))'
}

configure() {
    host=$(hostname -s)
    read -r first second <<< "$(free_ports)"
    # A requeued job does not begin before its old credential has expired: hence cred_expire, and 5 is the least.
    cat > "$SLURM_CONF" << END
ClusterName=tenon
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$first
SlurmdPort=$second
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/linear
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
ReturnToService=2
JobRequeue=1
MinJobAge=60
KillWait=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
END
    mkdir -p "$folder/state" "$folder/spool"
}

start() {
    configure
    # munge wants its folders to be its own, and nobody else to be able to write there.
    dd if=/dev/urandom of="$folder/munge.key" bs=64 count=1 status=none
    chmod 600 "$folder/munge.key"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    slurmctld -c
    slurmd
    for _ in $(seq 1000); do
        sinfo -h -o %T 2> /dev/null | grep -q idle && return
        sleep 0.1
    done
    echo "Slurm does not come up:" >&2
    tail -5 "$folder"/*.log >&2
    return 1
}

stop() {
    for name in slurmd slurmctld munged; do
        pid=$(cat "$folder/$name.pid" 2> /dev/null) && kill "$pid" 2> /dev/null || continue
        for _ in $(seq 100); do
            kill -0 "$pid" 2> /dev/null || break
            sleep 0.1
        done
    done
}

case $1 in
start) start ;;
stop) stop ;;
*) exit 2 ;;
esac
